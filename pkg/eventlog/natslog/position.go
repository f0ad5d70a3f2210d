package natslog

import (
	"context"
	"errors"
	"fmt"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// errBehind says that a position lies past the end of its stream. A replica
// that has just become leader may say so for a moment.
var errBehind = fmt.Errorf("%w: stream ends before the position", eventlog.ErrGap)

// check compares a position with the stream as its leader states it, and
// returns the stream's end. The rules:
//
//   - The stream is the one in which the position was taken, by its creation time.
//   - It does not end before the position.
//   - POS_SESSIONS does not start past it. Other streams forget from the front by
//     design, so there a first sequence past the position means nothing.
//   - The message at the position, if it is still there, is the same one.
//
// A position without a creation time is the start, and always continues.
func (l *Log) check(ctx context.Context, p eventlog.Position) (eventlog.Position, error) {
	state, err := l.State(ctx, p.Stream)
	if err != nil {
		return eventlog.Position{}, err
	}
	end := eventlog.Position{Stream: p.Stream, Created: state.Created, Sequence: state.Last}
	switch {
	case !p.Created.IsZero() && !p.Created.Equal(state.Created):
		return end, fmt.Errorf("%w: stream %s was created at %s, the position was taken in one created at %s",
			eventlog.ErrGap, p.Stream, state.Created, p.Created)
	case p.Sequence > state.Last:
		return end, fmt.Errorf("%w: stream %s ends at %d, the position is %d", errBehind, p.Stream, state.Last, p.Sequence)
	case p.Stream == events.StreamSessions && state.First > p.Sequence+1:
		return end, fmt.Errorf("%w: stream %s starts at %d, the position is %d: what lies between is lost",
			eventlog.ErrGap, p.Stream, state.First, p.Sequence)
	}
	return end, l.checkID(ctx, p)
}

func (l *Log) checkID(ctx context.Context, p eventlog.Position) error {
	if p.ID == "" || p.Sequence == 0 {
		return nil
	}
	stored, err := l.fromLeader(ctx, p.Stream, getRequest{Sequence: p.Sequence})
	if errors.Is(err, eventlog.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if id := idOf(stored.Header); id != p.ID {
		return fmt.Errorf("%w: message %d of stream %s is %q, the position was taken at %q",
			eventlog.ErrGap, p.Sequence, p.Stream, id, p.ID)
	}
	return nil
}
