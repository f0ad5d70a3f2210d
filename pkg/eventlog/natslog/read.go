package natslog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

const (
	// pageSize and pageBytes keep one answer well below what the server would
	// cut a slow client off for.
	pageSize  = 1000
	pageBytes = 4 << 20
)

// User returns the facts of one user after a sequence, oldest first, and sees
// every append that was acknowledged before the call: on replicated streams the
// end of what a replica answered is compared with the leader's. So reloading
// after a conflict always sees more than before. A message that is not an event
// at all comes out as an events.Unknown without a type, because an expectation
// has to count it.
func (l *Log) User(ctx context.Context, tenant, user string, after uint64) ([]eventlog.Recorded, error) {
	messages, err := l.history(ctx, events.SessionSubject(tenant, user), after)
	if err != nil {
		return nil, err
	}
	facts := make([]eventlog.Recorded, len(messages))
	for i, m := range messages {
		fact, err := decode(events.StreamSessions, m)
		if err != nil {
			fact = undecodable(events.Key{Tenant: tenant, User: user}, m)
		}
		facts[i] = fact
	}
	return facts, l.keys.open(ctx, facts)
}

func undecodable(key events.Key, m *jetstream.RawStreamMsg) eventlog.Recorded {
	message := events.Message{Subject: m.Subject, Header: m.Header, Data: m.Data}
	return eventlog.Recorded{
		Envelope: events.Envelope{ID: idOf(m.Header), Event: events.Unknown{Key: key, Message: message}},
		Stream:   events.StreamSessions, Sequence: m.Sequence, Time: m.Time.UTC(),
	}
}

// history returns a user's messages after a sequence.
func (l *Log) history(ctx context.Context, subject string, after uint64) ([]*jetstream.RawStreamMsg, error) {
	ctx, cancel := bounded(ctx, appendPatience)
	defer cancel()
	messages, err := l.pages(ctx, subject, after)
	if err != nil || !l.replicated {
		return messages, err
	}
	return l.completed(ctx, subject, after, messages)
}

func (l *Log) pages(ctx context.Context, subject string, after uint64) ([]*jetstream.RawStreamMsg, error) {
	var all []*jetstream.RawStreamMsg
	for {
		page, pending, err := l.page(ctx, events.StreamSessions, pageSize,
			jetstreamext.GetBatchSeq(after+1), jetstreamext.GetBatchSubject(subject))
		if errors.Is(err, jetstreamext.ErrBatchUnsupported) {
			return l.completed(ctx, subject, after, all)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if pending == 0 || len(page) == 0 {
			return all, nil
		}
		after = page[len(page)-1].Sequence
	}
}

// completed adds what the leader has beyond what was read, one by one. Usually
// that is nothing.
func (l *Log) completed(
	ctx context.Context, subject string, after uint64, read []*jetstream.RawStreamMsg,
) ([]*jetstream.RawStreamMsg, error) {
	last, err := l.fromLeader(ctx, events.StreamSessions, getRequest{LastFor: subject})
	if errors.Is(err, eventlog.ErrNotFound) {
		return read, nil
	}
	if err != nil {
		return nil, err
	}
	for {
		if len(read) > 0 {
			after = read[len(read)-1].Sequence
		}
		if after >= last.Sequence {
			return read, nil
		}
		next, err := l.fromLeader(ctx, events.StreamSessions, getRequest{Sequence: after + 1, NextFor: subject})
		if err != nil {
			return nil, err
		}
		read = append(read, next)
	}
}

// page reads a run of messages with a batched direct get, none if there are
// none. pending is how many are left behind it.
func (l *Log) page(
	ctx context.Context, stream string, limit int, options ...jetstreamext.GetBatchOpt,
) (page []*jetstream.RawStreamMsg, pending uint64, err error) {
	ctx, cancel := bounded(ctx, readTimeout)
	defer cancel()
	options = append(options, jetstreamext.GetBatchMaxBytes(pageBytes))
	messages, err := jetstreamext.GetBatch(ctx, l.js, stream, limit, options...)
	if err != nil {
		return nil, 0, unavailable("read stream "+stream, err)
	}
	var parts []part
	for m, err := range messages {
		if errors.Is(err, jetstreamext.ErrNoMessages) {
			return nil, 0, nil
		}
		if err != nil {
			return nil, 0, unavailable("read stream "+stream, err)
		}
		one, err := partOf(m)
		if err != nil {
			return nil, 0, unavailable("read stream "+stream, err)
		}
		parts = append(parts, one)
	}
	// The iterator ends without an error when no answer came in time, too.
	if len(parts) == 0 {
		return nil, 0, unavailable("read stream "+stream, fmt.Errorf("no answer: %w", context.Cause(ctx)))
	}
	if page, pending, err = inOrder(parts); err != nil {
		return nil, 0, unavailable("read stream "+stream, err)
	}
	return page, pending, nil
}

// part is a message of an answer to a batched direct get, and what the server says of its
// place in it.
type part struct {
	*jetstream.RawStreamMsg

	before  uint64 // sequence of the one that was sent before it, 0 for the first
	pending uint64 // how many are left behind it
}

func partOf(m *jetstream.RawStreamMsg) (part, error) {
	before, err1 := strconv.ParseUint(m.Header.Get(jetstream.LastSequenceHeader), 10, 64)
	pending, err2 := strconv.ParseUint(m.Header.Get(headerPending), 10, 64)
	stripDirectGet(m)
	return part{m, before, pending}, errors.Join(err1, err2)
}

// inOrder returns the messages of an answer in the order of the stream, each once,
// however they were delivered. The error says that one is missing between others; those
// behind the last are for the next page.
func inOrder(parts []part) (page []*jetstream.RawStreamMsg, pending uint64, err error) {
	slices.SortStableFunc(parts, func(a, b part) int { return cmp.Compare(a.Sequence, b.Sequence) })
	parts = slices.CompactFunc(parts, func(a, b part) bool { return a.Sequence == b.Sequence })
	page = make([]*jetstream.RawStreamMsg, len(parts))
	var before uint64
	for i, one := range parts {
		if one.before != before {
			return nil, 0, fmt.Errorf("message %d did not come, which was sent before %d", one.before, one.Sequence)
		}
		page[i], before, pending = one.RawStreamMsg, one.Sequence, one.pending
	}
	return page, pending, nil
}
