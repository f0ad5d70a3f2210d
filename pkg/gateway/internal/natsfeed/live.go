package natsfeed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/gateway/internal/feed"
)

// waiting is how many messages may wait to be applied, while the stream is loaded
// for instance. Those beyond are loaded afterwards.
const waiting = 16384

// line is what is heard of the stream, in its order.
type line struct {
	messages      chan *nats.Msg
	subscriptions []*nats.Subscription
}

func (l *line) close() {
	for _, s := range l.subscriptions {
		_ = s.Unsubscribe() // or the connection is closed, and it is gone with it
	}
}

// listen hears from now on: the server knows it when listen returns.
func (r *reader) listen() (*line, error) {
	l := &line{messages: make(chan *nats.Msg, waiting)}
	for _, subject := range []string{r.revocations(), events.SubjectTick} {
		// One channel for both, since their order counts.
		s, err := r.feed.conn.ChanSubscribe(events.LiveSubject(subject), l.messages)
		if err != nil {
			l.close()
			return nil, fmt.Errorf("listen to %s: %w", events.LiveSubject(subject), err)
		}
		l.subscriptions = append(l.subscriptions, s)
	}
	if err := r.feed.conn.FlushTimeout(apiTimeout); err != nil {
		l.close()
		return nil, fmt.Errorf("listen to %s: %w", events.SubjectLive, err)
	}
	return l, nil
}

// hear applies what the line brings.
func (r *reader) hear(ctx context.Context, l *line, reconnects uint64) error {
	r.heard, r.patience = time.Now(), silence
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	ctx, cancel := context.WithCancel(ctx)
	question := &question{reader: r, answers: make(chan *probe, 1)}
	defer question.asking.Wait()
	defer cancel()
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case m := <-l.messages:
			err = r.take(ctx, m)
		case p := <-question.answers:
			question.open = false
			if p != nil {
				r.probe = *p
			}
		case <-ticker.C:
			err = r.lookUp(ctx, reconnects)
		}
		if err != nil {
			return err
		}
		if r.wants {
			r.wants = false
			if err := r.prove(ctx, question); err != nil {
				return err
			}
		}
	}
}

// lookUp looks whether NATS was away, and asks a stream of which nothing is heard, or
// what was heard before, whether there is something.
func (r *reader) lookUp(ctx context.Context, reconnects uint64) error {
	if r.feed.conn.Stats().Reconnects != reconnects {
		return errReconnected
	}
	if time.Since(r.heard) < r.patience {
		if r.doubtful {
			return r.ask(ctx)
		}
		return nil
	}
	tick, err := r.near.stored(ctx, getRequest{LastFor: events.SubjectTick})
	switch {
	case err != nil:
		return err
	case tick.Sequence > r.at.sequence:
		return errBehind
	}
	r.heard, r.patience = time.Now(), min(2*r.patience, maxSilence)
	// A stream that was made anew may not have come so far yet.
	return r.ask(ctx)
}

// prove finds out which ticks to come were written from now on: of a mirror the
// origin says so. A stream that does not answer leaves them without a proof, and
// the sink asks again.
func (r *reader) prove(ctx context.Context, q *question) error {
	if r.origin.mirrored {
		return r.ask(ctx)
	}
	q.ask(ctx)
	return nil
}

// question is one to the stream, whose answer is not waited for: on a slow line that
// would make old what is heard meanwhile.
type question struct {
	reader  *reader
	open    bool        // it was asked and not answered
	answers chan *probe // nil for none; has room for one
	asking  sync.WaitGroup
}

func (q *question) ask(ctx context.Context) {
	if q.open {
		return
	}
	q.open = true
	near, log, at, asked := q.reader.near, q.reader.feed.log, q.reader.at.sequence, time.Now()
	q.asking.Go(func() {
		tick, err := near.stored(ctx, getRequest{LastFor: events.SubjectTick})
		if err != nil {
			log.DebugContext(ctx, "the age of ticks cannot be proven", slog.Any("error", err))
			q.answers <- nil
			return
		}
		q.answers <- &probe{asked: asked, last: max(tick.Sequence, at)}
	})
}

// take applies a message, unless it was loaded before it was heard. The error is
// errGap when something before it was not heard.
func (r *reader) take(ctx context.Context, m *nats.Msg) error {
	sequence, err1 := strconv.ParseUint(m.Header.Get(jetstream.SequenceHeader), 10, 64)
	before, err2 := strconv.ParseUint(m.Header.Get(jetstream.LastSequenceHeader), 10, 64)
	subject := m.Header.Get(jetstream.SubjectHeader)
	if err1 != nil || err2 != nil || events.LiveSubject(subject) != m.Subject || !isOf(m, events.StreamRevocations) {
		// What it may have hidden shows by its absence.
		r.foreign.Do(func() {
			r.feed.log.ErrorContext(ctx, "somebody else publishes where the stream does", slog.String("subject", m.Subject))
		})
		return nil //nolint:nilerr // it is no message of ours
	}
	if sequence <= r.at.sequence {
		r.doubtful = true // it was loaded too, or the numbers have begun again
		return nil
	}
	if sequence > r.at.sequence+1 && !r.isNext(subject, before) {
		if err := r.verify(ctx, subject, sequence); err != nil {
			return err
		}
	}
	r.heard, r.patience = time.Now(), silence
	if r.doubtful || r.origin.away {
		// The stream may have been made anew, the hub's meanwhile too.
		if err := r.ask(ctx); err != nil {
			return err
		}
		if r.origin.away && subject == events.SubjectTick {
			r.at.sequence = sequence // it may be of either
			return nil
		}
	}
	r.apply(feed.Message{Subject: subject, Data: m.Data, Stored: storedAt(m)}, sequence)
	return nil
}

// isOf reports whether the server says that a message is of a stream, and says it once:
// who may ask for a message of another stream may have the answer sent anywhere, with
// whatever headers it was stored with before those of the server.
func isOf(m *nats.Msg, stream string) bool {
	said := m.Header.Values(jetstream.StreamHeader)
	return len(said) == 1 && said[0] == stream
}

// storedAt is of interest for ticks, which tell the time.
func storedAt(m *nats.Msg) time.Time {
	if m.Header.Get(jetstream.SubjectHeader) != events.SubjectTick {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, m.Header.Get(jetstream.TimeStampHeaer))
	if err != nil {
		return time.Time{}
	}
	return at
}

// isNext reports whether a message says itself that nothing of the gateway's was
// stored between it and what was applied: one of the only subject of revocations
// that the gateway follows, whose predecessor was applied.
func (r *reader) isNext(subject string, before uint64) bool {
	return r.feed.tenant != "" && subject == r.revocations() && before <= r.at.sequence
}

// verify asks the stream whether it holds a revocation between what was applied
// and a message. The sequences between are those of other tenants, or of what got
// lost. At a store the message may have come from the hub and be further than the
// mirror is: then the hub knows.
func (r *reader) verify(ctx context.Context, subject string, sequence uint64) error {
	err := r.verifyAt(ctx, r.near, subject, sequence)
	if r.origin.mirrored && errors.Is(err, errBehind) {
		err = r.verifyAt(ctx, r.origin.source, subject, sequence)
	}
	return err
}

func (r *reader) verifyAt(ctx context.Context, at source, subject string, sequence uint64) error {
	newest, err := at.stored(ctx, getRequest{LastFor: subject})
	if err != nil {
		return err
	}
	if newest.Sequence < sequence {
		return fmt.Errorf("%w: %d was heard of %s, and the stream holds it up to %d", errBehind, sequence, subject, newest.Sequence)
	}
	next, err := at.stored(ctx, getRequest{Sequence: r.at.sequence + 1, NextFor: r.revocations()})
	if err != nil {
		return err
	}
	if next.Sequence != 0 && next.Sequence < sequence {
		return fmt.Errorf("%w: %d was heard, and not %d", errGap, sequence, next.Sequence)
	}
	return nil
}
