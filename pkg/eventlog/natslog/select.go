package natslog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// Select returns facts of the users' histories; see eventlog.Selector. It makes no
// consumer: each call is a batched direct get with the subject as its filter. On
// replicated streams the end that a replica answers with is compared with the
// leader's, so that a replica that lags hides nothing.
func (l *Log) Select(ctx context.Context, selection eventlog.Selection) (eventlog.Batch, error) {
	if selection.Limit < 1 {
		return eventlog.Batch{}, fmt.Errorf("natslog: selection of %d messages, want at least 1", selection.Limit)
	}
	state, err := l.State(ctx, events.StreamSessions)
	if err != nil {
		return eventlog.Batch{}, err
	}
	s := selecting{
		stream: events.StreamSessions, subject: events.SessionsSubject(selection.Tenant, selection.User),
		from: max(selection.From, 1), upTo: selection.UpTo, limit: min(selection.Limit, pageSize),
	}
	if s.upTo == 0 {
		s.upTo = state.Last
	}
	messages, pending, err := l.selected(ctx, s)
	if err != nil {
		return eventlog.Batch{}, err
	}
	batch := selectedBatch(s, state, messages, pending)
	return batch, l.keys.open(ctx, batch.Events)
}

// selecting is one Select under way.
type selecting struct {
	stream     string
	subject    string
	from, upTo uint64
	limit      int
}

func (l *Log) selected(ctx context.Context, s selecting) (messages []*jetstream.RawStreamMsg, pending uint64, err error) {
	if s.from > s.upTo {
		return nil, 0, nil
	}
	options := []jetstreamext.GetBatchOpt{jetstreamext.GetBatchSeq(s.from)}
	if s.subject != events.SubjectSessions { // a filter costs the server a search in all subjects for each message
		options = append(options, jetstreamext.GetBatchSubject(s.subject))
	}
	messages, pending, err = l.page(ctx, s.stream, s.limit, options...)
	if err != nil || pending > 0 || !l.replicated {
		return messages, pending, err
	}
	if len(messages) > 0 {
		s.from = messages[len(messages)-1].Sequence + 1
	}
	next, err := l.fromLeader(ctx, s.stream, getRequest{Sequence: s.from, NextFor: s.subject})
	if errors.Is(err, eventlog.ErrNotFound) {
		return messages, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	// At least this one is left; how many are behind it, the next page says.
	return append(messages, next), 1, nil
}

// selectedBatch cuts what lies beyond the selection. A page that is not cut and has
// something behind it may still be the last one; then the next is empty.
func selectedBatch(s selecting, state eventlog.State, messages []*jetstream.RawStreamMsg, pending uint64) eventlog.Batch {
	batch := eventlog.Batch{
		Pending: pending,
		End:     eventlog.Position{Stream: events.StreamSessions, Created: state.Created, Sequence: s.from - 1},
	}
	for i, m := range messages {
		if m.Sequence > s.upTo {
			batch.Pending, messages = 0, messages[:i]
			break
		}
	}
	if len(messages) > 0 {
		batch.End = positionAt(events.StreamSessions, state, messages[len(messages)-1])
	}
	batch.Events = decodeAll(messages)
	return batch
}

// decodeAll decodes a page, on all processors: it is what takes a replay most of its
// time.
func decodeAll(messages []*jetstream.RawStreamMsg) []eventlog.Recorded {
	facts := make([]eventlog.Recorded, len(messages))
	places := make([]int, len(messages))
	for i := range places {
		places[i] = i
	}
	together(places, func(i int) { facts[i] = decodeOrKeep(messages[i]) })
	return facts
}

// worthwhile is how many messages are worth a goroutine.
const worthwhile = 100

// together does something with each of many, on all processors.
func together[T any](all []T, do func(T)) {
	if len(all) <= worthwhile {
		for _, one := range all {
			do(one)
		}
		return
	}
	var group sync.WaitGroup
	for some := range slices.Chunk(all, worthwhile) {
		group.Go(func() {
			for _, one := range some {
				do(one)
			}
		})
	}
	group.Wait()
}

func decodeOrKeep(m *jetstream.RawStreamMsg) eventlog.Recorded {
	fact, err := decode(events.StreamSessions, m)
	if err == nil {
		return fact
	}
	key, err := events.SubjectKey(m.Subject)
	if err != nil {
		key = events.Key{} // a subject that posse does not write to
	}
	return undecodable(key, m)
}

// SequenceAt returns the sequence of the first message that was stored at a moment
// or later; see eventlog.Selector.
func (l *Log) SequenceAt(ctx context.Context, stream string, moment time.Time) (uint64, error) {
	state, err := l.State(ctx, stream)
	if err != nil {
		return 0, err
	}
	if state.Last < state.First || state.LastTime.Before(moment) {
		return state.Last + 1, nil
	}
	found, _, err := l.page(ctx, stream, 1, jetstreamext.GetBatchStartTime(moment))
	if err != nil {
		return 0, err
	}
	if len(found) == 0 {
		return 0, unavailable("read stream "+stream, errors.New("the server that answered has not caught up with the leader"))
	}
	return found[0].Sequence, nil
}
