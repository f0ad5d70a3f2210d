package recorder

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/session"
)

// maxTries bounds how often a command is decided anew before its caller is
// asked to come back.
const maxTries = 8

// order is a command to one user's sessions.
type order struct {
	who     ref
	command session.Command
	// id gives each fact its event id, the same at every try.
	id func(events.Event) string
	// prepare may look at the state before the command does, add to it what the
	// fold has forgotten, and refuse. Nil means not to.
	prepare func(ctx context.Context, state session.State) (session.State, error)
	// admit refuses a decision that would need room in the log. It is not asked about
	// one that only says what is stored already, nor about one that refuses the command
	// and ends the session. Nil admits everything, as is right for what ends sessions.
	admit func() error
}

// outcome is a decision that stands in the log.
type outcome struct {
	session.Decision

	Position uint64
}

// carryOut decides and appends, and decides anew for as long as others get in
// between.
func (r *Recorder) carryOut(ctx context.Context, o order) (outcome, error) {
	unlock, err := r.locks.lock(ctx, o.who)
	if err != nil {
		return outcome{}, err
	}
	defer unlock()
	v, err := r.users.get(ctx, o.who)
	if err != nil {
		return outcome{}, err
	}
	for {
		done, err := backoff.Retry(ctx, func() (outcome, error) { return r.try(ctx, o, &v) },
			backoff.WithMaxTries(maxTries), backoff.WithBackOff(briefly()), backoff.WithMaxElapsedTime(0))
		if err != nil || !done.More {
			return done, err
		}
	}
}

func briefly() backoff.BackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = 2*time.Millisecond, 200*time.Millisecond
	return b
}

func (r *Recorder) try(ctx context.Context, o order, v *view) (outcome, error) {
	d, err := r.decide(ctx, o, v)
	if err != nil {
		return outcome{}, backoff.Permanent(err)
	}
	if len(d.Facts) == 0 {
		r.users.keep(*v)
		return outcome{Decision: d, Position: d.Position}, nil
	}
	if o.admit != nil && d.Refusal == nil {
		if err := o.admit(); err != nil {
			return outcome{}, backoff.Permanent(err)
		}
	}
	position, err := r.append(ctx, o, v, d)
	switch {
	case err == nil:
		return outcome{Decision: d, Position: position}, nil
	case errors.Is(err, eventlog.ErrConflict):
		r.metrics.conflicts.Inc()
		return outcome{}, errors.Join(err, r.users.overtaken(ctx, v))
	case errors.Is(err, eventlog.ErrUnavailable):
		// It may have been stored: the facts will tell.
		return outcome{}, errors.Join(err, r.users.refresh(ctx, v))
	default:
		return outcome{}, backoff.Permanent(err)
	}
}

// decide trusts a kept state only if the append will prove it: an answer that
// appends nothing is given from a state that was read for it.
func (r *Recorder) decide(ctx context.Context, o order, v *view) (session.Decision, error) {
	for {
		d, err := o.decide(ctx, v)
		if v.current || err == nil && len(d.Facts) > 0 {
			return d, err
		}
		if err := r.users.refresh(ctx, v); err != nil {
			return d, err
		}
	}
}

func (o order) decide(ctx context.Context, v *view) (session.Decision, error) {
	state := v.state
	if o.prepare != nil {
		var err error
		if state, err = o.prepare(ctx, state); err != nil {
			return session.Decision{}, err
		}
	}
	return session.Decide(state, o.command)
}

func (r *Recorder) append(ctx context.Context, o order, v *view, d session.Decision) (uint64, error) {
	envelopes := envelopesOf(d.Facts, o.id)
	var expect *eventlog.Expectation
	if d.NeedsExpectation {
		expect = &eventlog.Expectation{LastSequence: v.state.LastSequence, Strict: true}
	}
	last, err := r.log.Append(ctx, envelopes, expect)
	if err != nil || expect == nil {
		return last, err
	}
	v.state = session.Evolve(v.state, stored(envelopes, last)...)
	r.users.keep(*v)
	return last, nil
}

func envelopesOf(facts []events.Event, id func(events.Event) string) []events.Envelope {
	envelopes := make([]events.Envelope, len(facts))
	for i, fact := range facts {
		envelopes[i] = events.Envelope{ID: id(fact), Source: source, Time: fact.Occurred().Time(), Event: fact}
	}
	return envelopes
}

// stored places facts that were appended together: they follow one another.
func stored(envelopes []events.Envelope, last uint64) []session.Fact {
	placed := make([]session.Fact, len(envelopes))
	first := last + 1 - uint64(len(envelopes))
	for i, e := range envelopes {
		placed[i] = session.Fact{ID: e.ID, Sequence: first + uint64(i), Event: e.Event}
	}
	return placed
}
