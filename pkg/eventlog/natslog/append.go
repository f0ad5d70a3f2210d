package natslog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

const (
	// appendPatience bounds an append whose context has no nearer deadline.
	appendPatience = 10 * time.Second
	// attemptTimeout bounds the wait for one acknowledgement: a server that
	// restarts loses requests without a word.
	attemptTimeout = 2 * time.Second
	firstRetry     = 2 * time.Millisecond
	lastRetry      = 250 * time.Millisecond
)

// forever are the options of what is tried until its context ends, first after one
// pause and in the end after another.
func forever(first, last time.Duration) []backoff.RetryOption {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = first, last
	return []backoff.RetryOption{backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(0)}
}

// MaxAppend is the most facts that one Append takes: the size of an atomic batch
// of a server with default limits.
const MaxAppend = 1000

// ErrInvalidAppend says that the facts of an Append cannot go together.
var ErrInvalidAppend = errors.New("natslog: invalid append")

// Append stores the facts of one user; see eventlog.Appender. What the server
// answers while it is undecided (an earlier write of the same user, or of the
// same id, is still being replicated; too many batches are open) is waited out.
func (l *Log) Append(ctx context.Context, facts []events.Envelope, expect *eventlog.Expectation) (uint64, error) {
	if len(facts) == 0 || len(facts) > MaxAppend {
		return 0, fmt.Errorf("%w: %d facts, want 1 to %d", ErrInvalidAppend, len(facts), MaxAppend)
	}
	a, err := newAppending(facts, expect)
	if err != nil {
		return 0, err // before a key is made for what cannot be stored
	}
	ctx, cancel := bounded(ctx, appendPatience)
	defer cancel()
	if slices.ContainsFunc(facts, func(fact events.Envelope) bool { return events.IsPersonal(fact.Event) }) {
		sealed, err := l.keys.seal(ctx, facts)
		if err != nil {
			return 0, err
		}
		if a, err = newAppending(sealed, expect); err != nil {
			return 0, err
		}
	}
	sequence, err := backoff.Retry(ctx, func() (uint64, error) { return l.attempt(ctx, a) },
		forever(firstRetry, lastRetry)...)
	switch {
	case err == nil:
		l.keys.note(facts)
		l.metrics.appended.Add(float64(len(facts)))
		return sequence, nil
	case errors.Is(err, eventlog.ErrConflict):
		l.metrics.conflicts.Inc()
		return 0, err
	default:
		return 0, notStored("append to "+a.subject, errors.Join(err, context.Cause(ctx)))
	}
}

// errDuplicate says that a message of the same id is stored. A replicated stream looks at
// the id before it looks at the expectation.
var errDuplicate = errors.New("natslog: a fact of the same id is stored")

// appending is one Append under way.
type appending struct {
	subject  string
	messages []events.Message
	expect   *eventlog.Expectation
}

func newAppending(facts []events.Envelope, expect *eventlog.Expectation) (appending, error) {
	a := appending{messages: make([]events.Message, len(facts)), expect: expect}
	for i, fact := range facts {
		message, err := events.Encode(fact)
		if err != nil {
			return appending{}, fmt.Errorf("%w: fact %d: %w", ErrInvalidAppend, i, err)
		}
		if fact.Event.EventType() == events.TypeTouched {
			return appending{}, fmt.Errorf("%w: fact %d is a touch, which Touch stores", ErrInvalidAppend, i)
		}
		if i > 0 && message.Subject != a.subject {
			return appending{}, fmt.Errorf("%w: facts of %s and %s cannot be stored as one", ErrInvalidAppend, a.subject, message.Subject)
		}
		a.subject, a.messages[i] = message.Subject, message
	}
	return a, nil
}

func (a appending) isStrict() bool { return a.expect != nil && a.expect.Strict }

func (a appending) firstID() string { return idOf(a.messages[0].Header) }
func (a appending) lastID() string  { return idOf(a.messages[len(a.messages)-1].Header) }

func idOf(header map[string][]string) string { return nats.Header(header).Get(events.HeaderMsgID) }

// attempt publishes once. An error that is not backoff.Permanent is worth
// another attempt.
func (l *Log) attempt(ctx context.Context, a appending) (uint64, error) {
	sequence, err := l.publish(ctx, a)
	switch {
	case err == nil:
		return sequence, nil
	case hasCode(err, codeConflictInFlight, codeDuplicateInFlight, codeTooManyBatches):
		return 0, err
	case hasCode(err, codeConflict, codeBatchHasDuplicate), errors.Is(err, errDuplicate):
		return l.settle(ctx, a, err)
	case isRefusal(err):
		return 0, backoff.Permanent(err)
	default:
		return l.lookAgain(ctx, a, err)
	}
}

// settle finds out whether a conflict is with our own earlier attempt: the
// server checks the expectation before it looks at message ids. A strict expectation
// leaves that to the caller, who reads what is stored.
func (l *Log) settle(ctx context.Context, a appending, refusal error) (uint64, error) {
	sequence, err := uint64(0), eventlog.ErrNotFound
	if !a.isStrict() {
		sequence, err = l.find(ctx, a)
	}
	switch {
	case err == nil:
		return sequence, nil
	case errors.Is(err, eventlog.ErrNotFound):
		return 0, backoff.Permanent(fmt.Errorf("%w: %s: %w", eventlog.ErrConflict, a.subject, refusal))
	default:
		return 0, err
	}
}

// lookAgain follows an attempt that had no answer: either it happened, or the
// next one may.
func (l *Log) lookAgain(ctx context.Context, a appending, cause error) (uint64, error) {
	if a.isStrict() {
		return 0, cause // the next one has a conflict, if this one happened
	}
	if sequence, err := l.find(ctx, a); err == nil {
		return sequence, nil
	}
	return 0, cause
}

func (l *Log) publish(ctx context.Context, a appending) (uint64, error) {
	ctx, cancel := bounded(ctx, attemptTimeout)
	defer cancel()
	messages := a.toPublish()
	if len(messages) == 1 {
		ack, err := l.js.PublishMsg(ctx, messages[0])
		if err != nil {
			return 0, err
		}
		if ack.Duplicate && a.isStrict() {
			return 0, errDuplicate
		}
		return ack.Sequence, nil
	}
	ack, err := jetstreamext.PublishMsgBatch(ctx, l.js, messages, jetstreamext.BatchFlowControl{AckFirst: false})
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}

// toPublish makes messages that may be written to: nats.go puts headers of its
// own on them. In a batch only the first message to a subject may carry an
// expectation.
func (a appending) toPublish() []*nats.Msg {
	messages := make([]*nats.Msg, len(a.messages))
	for i, m := range a.messages {
		header := make(nats.Header, len(m.Header)+3)
		maps.Copy(header, m.Header)
		messages[i] = &nats.Msg{Subject: m.Subject, Header: header, Data: m.Data}
	}
	if a.expect != nil {
		last := strconv.FormatUint(a.expect.LastSequence, 10)
		messages[0].Header.Set(jetstream.ExpectedLastSubjSeqHeader, last)
	}
	return messages
}
