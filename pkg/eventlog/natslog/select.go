package natslog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/readahead"
)

// longScan is how many pages have to be left for a consumer to be worth making.
const longScan = 10

// Scan reads a selection; see eventlog.Selector. Each page is a batched direct get
// with the subject as its filter. On replicated streams the end that a replica answers
// with is compared with the leader's, so that a replica that lags hides nothing. Where
// many pages are left and the user may make a consumer, one reads them, which takes
// the server and its client a third of the work, and what is behind it is read page by
// page again.
func (l *Log) Scan(ctx context.Context, selection eventlog.Selection) iter.Seq2[eventlog.Batch, error] {
	return func(yield func(eventlog.Batch, error) bool) {
		if selection.Limit < 1 {
			yield(eventlog.Batch{}, fmt.Errorf("natslog: selection of %d messages a page, want at least 1", selection.Limit))
			return
		}
		s := selecting{
			stream: events.StreamSessions, subject: events.SessionsSubject(selection.Tenant, selection.User),
			from: max(selection.From, 1), upTo: selection.UpTo, limit: min(selection.Limit, pageSize),
		}
		l.scan(ctx, &s, yield)
	}
}

// selecting is one Scan under way.
type selecting struct {
	stream     string
	subject    string
	from, upTo uint64
	limit      int
}

func (l *Log) scan(ctx context.Context, s *selecting, yield func(eventlog.Batch, error) bool) {
	for {
		batch, err := l.selectPage(ctx, *s)
		if !yield(batch, err) || err != nil || batch.Pending == 0 {
			return
		}
		s.from = batch.End.Sequence + 1
		if batch.Pending > uint64(longScan*s.limit) && !l.deniedConsumer.Load() {
			if !l.scanLong(ctx, s, batch.End, yield) {
				return
			}
		}
	}
}

func (l *Log) selectPage(ctx context.Context, s selecting) (eventlog.Batch, error) {
	state, err := l.State(ctx, s.stream)
	if err != nil {
		return eventlog.Batch{}, err
	}
	if s.upTo == 0 {
		s.upTo = state.Last
	}
	messages, pending, err := l.selected(ctx, s)
	if err != nil {
		return eventlog.Batch{}, err
	}
	batch := selectedBatch(s, state.Created, messages, pending)
	return batch, l.keys.open(ctx, batch.Events)
}

// scanLong reads through a consumer as far as it goes, and reports whether somebody
// wants more. What goes wrong is no error here: the next page says what it is.
func (l *Log) scanLong(ctx context.Context, s *selecting, after eventlog.Position, yield func(eventlog.Batch, error) bool) bool {
	f := newFeed(l, "scan", after, 4*s.limit)
	if s.subject != events.SubjectSessions {
		f.filter = s.subject
	}
	if err := f.open(ctx); err != nil {
		l.deniedConsumer.Store(errors.Is(err, ErrDenied))
		return true
	}
	defer f.close(ctx)
	for p, err := range readahead.Of(ctx, 1, func(ctx context.Context) iter.Seq2[page, error] { return f.pages(ctx, s.limit) }) {
		if err != nil {
			return true
		}
		batch := selectedBatch(*s, after.Created, p.messages, p.pending)
		if err := l.keys.open(ctx, batch.Events); err != nil {
			yield(batch, err)
			return false
		}
		s.from = batch.End.Sequence + 1
		if !yield(batch, nil) {
			return false
		}
		if batch.Pending == 0 {
			return true
		}
	}
	return true
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
func selectedBatch(s selecting, created time.Time, messages []*jetstream.RawStreamMsg, pending uint64) eventlog.Batch {
	batch := eventlog.Batch{
		Pending: pending,
		End:     eventlog.Position{Stream: s.stream, Created: created, Sequence: s.from - 1},
	}
	for i, m := range messages {
		if s.upTo != 0 && m.Sequence > s.upTo {
			batch.Pending, messages = 0, messages[:i]
			break
		}
	}
	if len(messages) > 0 {
		last := messages[len(messages)-1]
		batch.End.Sequence, batch.End.ID = last.Sequence, idOf(last.Header)
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
