package natslog

import (
	"context"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// find looks for an append that happened earlier and returns its last sequence,
// or eventlog.ErrNotFound. It asks the leader, so what was acknowledged is seen.
func (l *Log) find(ctx context.Context, a appending) (uint64, error) {
	if a.expect != nil {
		return l.findAfter(ctx, a, a.expect.LastSequence)
	}
	last, err := l.fromLeader(ctx, events.StreamSessions, getRequest{LastFor: a.subject})
	if err != nil {
		return 0, err
	}
	if idOf(last.Header) == a.lastID() {
		return last.Sequence, nil
	}
	return l.findAnywhere(ctx, a)
}

// findAfter uses that an append which relied on a sequence can stand in one
// place only: right behind it. What somebody appended since does not matter.
func (l *Log) findAfter(ctx context.Context, a appending, after uint64) (uint64, error) {
	first, err := l.fromLeader(ctx, events.StreamSessions, getRequest{Sequence: after + 1, NextFor: a.subject})
	if err != nil {
		return 0, err
	}
	if idOf(first.Header) != a.firstID() {
		return 0, notOurs(a, first)
	}
	if len(a.messages) == 1 {
		return first.Sequence, nil
	}
	// The messages of an atomic batch follow each other without a gap.
	end := first.Sequence + uint64(len(a.messages)) - 1
	last, err := l.fromLeader(ctx, events.StreamSessions, getRequest{Sequence: end})
	if err != nil {
		return 0, err
	}
	if idOf(last.Header) != a.lastID() {
		return 0, notOurs(a, last)
	}
	return last.Sequence, nil
}

// findAnywhere reads the user's whole history: it is needed only for an append
// without an expectation that is repeated after others have followed it.
func (l *Log) findAnywhere(ctx context.Context, a appending) (uint64, error) {
	history, err := l.history(ctx, a.subject, 0)
	if err != nil {
		return 0, err
	}
	for _, m := range slices.Backward(history) {
		if idOf(m.Header) == a.lastID() {
			return m.Sequence, nil
		}
	}
	return 0, fmt.Errorf("%w: %q on %s", eventlog.ErrNotFound, a.lastID(), a.subject)
}

func notOurs(a appending, found *jetstream.RawStreamMsg) error {
	return fmt.Errorf("%w: message %d of %s is %q", eventlog.ErrNotFound, found.Sequence, a.subject, idOf(found.Header))
}
