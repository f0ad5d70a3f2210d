package natslog

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// LastTouch returns a session's newest activity, or eventlog.ErrNotFound.
func (l *Log) LastTouch(ctx context.Context, key events.Key) (eventlog.Recorded, error) {
	if err := key.Validate(); err != nil {
		return eventlog.Recorded{}, fmt.Errorf("natslog: last touch: %w", err)
	}
	last, err := l.fromLeader(ctx, events.StreamTouches, getRequest{LastFor: events.TouchSubject(key)})
	if err != nil {
		return eventlog.Recorded{}, err
	}
	return decode(events.StreamTouches, last)
}

// Read returns at most limit messages of a stream, from a sequence on, without
// those that cannot be decoded. A stream's end is reached when Pending is 0; a
// replica that lags may show it early.
func (l *Log) Read(ctx context.Context, stream string, from uint64, limit int) (eventlog.Batch, error) {
	if limit < 1 {
		return eventlog.Batch{}, fmt.Errorf("natslog: read of %d messages, want at least 1", limit)
	}
	state, err := l.State(ctx, stream)
	if err != nil {
		return eventlog.Batch{}, err
	}
	from = max(from, 1)
	messages, pending, err := l.page(ctx, stream, limit, jetstreamext.GetBatchSeq(from))
	if err != nil {
		return eventlog.Batch{}, err
	}
	batch := eventlog.Batch{Pending: pending, End: eventlog.Position{Stream: stream, Created: state.Created, Sequence: from - 1}}
	for _, m := range messages {
		if fact, err := decode(stream, m); err == nil {
			batch.Events = append(batch.Events, fact)
		}
	}
	if len(messages) > 0 {
		batch.End = positionAt(stream, state, messages[len(messages)-1])
	}
	return batch, l.keys.open(ctx, batch.Events)
}

// Stored returns at most limit messages of a stream as they are stored; see
// eventlog.RawReader. Headers that the server adds to its answer, such as
// Nats-Sequence, are not among theirs.
func (l *Log) Stored(ctx context.Context, stream string, from uint64, limit int) ([]eventlog.Stored, error) {
	if limit < 1 {
		return nil, fmt.Errorf("natslog: read of %d messages, want at least 1", limit)
	}
	messages, _, err := l.page(ctx, stream, limit, jetstreamext.GetBatchSeq(max(from, 1)))
	if err != nil {
		return nil, err
	}
	stored := make([]eventlog.Stored, len(messages))
	for i, m := range messages {
		stored[i] = eventlog.Stored{
			Message:  events.Message{Subject: m.Subject, Header: m.Header, Data: m.Data},
			Sequence: m.Sequence, Time: m.Time.UTC(),
		}
	}
	return stored, nil
}

func positionAt(stream string, state eventlog.State, m *jetstream.RawStreamMsg) eventlog.Position {
	return eventlog.Position{Stream: stream, Created: state.Created, Sequence: m.Sequence, ID: idOf(m.Header)}
}

// LastSequence returns the sequence of a user's newest fact, 0 for none, as the
// leader has it.
func (l *Log) LastSequence(ctx context.Context, tenant, user string) (uint64, error) {
	last, err := l.fromLeader(ctx, events.StreamSessions, getRequest{LastFor: events.SessionSubject(tenant, user)})
	if errors.Is(err, eventlog.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return last.Sequence, nil
}
