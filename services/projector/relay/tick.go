package relay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// goal is where the log was stated to end at a moment.
type goal struct {
	state eventlog.State
	asked time.Time
}

// maxGoals is how many answers of the log a relay that lags keeps. Older ones
// would make nobody fresher.
const maxGoals = 60

// tickIfDue sends a tick about once per TickEvery: it asks where the log ends, and
// says so as soon as it got there. A relay that lags goes on asking, so that its
// ticks are late and not rare.
func (r *Relay) tickIfDue(ctx context.Context) error {
	if r.config.Now().Sub(r.asked) >= r.config.TickEvery {
		if err := r.ask(ctx); err != nil {
			return err
		}
	}
	return r.tick(ctx)
}

// askAndTick is for a relay that stands at the end of the log.
func (r *Relay) askAndTick(ctx context.Context) error {
	if err := r.ask(ctx); err != nil {
		return err
	}
	return r.tick(ctx)
}

// ask notes where the log ends. The moment is taken before the question: the log
// ended there no earlier.
func (r *Relay) ask(ctx context.Context) error {
	asked := r.config.Now()
	state, err := r.config.Log.State(ctx, events.StreamSessions)
	if err != nil {
		r.metrics.failures.Inc()
		return fmt.Errorf("relay: read the extent of the log: %w", err)
	}
	r.goals, r.asked = append(r.goals, goal{state, asked}), asked
	if len(r.goals) > maxGoals {
		r.goals = r.goals[1:]
	}
	return nil
}

// tick sends one for the newest goal that was reached.
func (r *Relay) tick(ctx context.Context) error {
	n := 0
	for n < len(r.goals) && r.reached(r.goals[n].state) {
		n++
	}
	if n == 0 {
		return nil
	}
	goal := r.goals[n-1]
	tick := events.Tick{
		Sequence: goal.state.Last, AsOf: events.TimestampOf(goal.asked),
		// So it is not before AsOf, even if somebody sets the clock.
		Written:       events.TimestampOf(goal.asked.Add(max(0, r.config.Now().Sub(goal.asked)))),
		StreamCreated: events.TimestampOf(goal.state.Created), Relay: r.config.Name, Epoch: r.epoch,
	}
	if err := r.publishTick(ctx, tick); err != nil {
		r.metrics.failures.Inc()
		return fmt.Errorf("relay: publish tick %d: %w", tick.Sequence, err)
	}
	r.metrics.ticks.Inc()
	r.ticked.Store(goal.asked.UnixMilli())
	r.goals = r.goals[n:]
	return nil
}

// tickAttempts is how often a tick is tried while those of other relays come in between.
const tickAttempts = 5

// publishTick stores a tick if the stream is still the one that the relay filled. What
// a tick promises is true there alone, so it takes the place of a tick that is known to
// be of the same epoch, or none.
func (r *Relay) publishTick(ctx context.Context, tick events.Tick) error {
	for range tickAttempts {
		at, err := r.config.Log.PublishTick(ctx, tick, r.tickedAt)
		if err == nil {
			r.tickedAt = at
		}
		if !errors.Is(err, eventlog.ErrConflict) {
			return err
		}
		last, at, err := r.config.Log.LastTick(ctx)
		switch {
		case errors.Is(err, eventlog.ErrNotFound):
			return errOtherEpoch
		case err != nil:
			return err
		case last.Epoch != r.epoch && last.Epoch != "": // older relays name none
			return errOtherEpoch
		}
		r.tickedAt = at
	}
	return fmt.Errorf("%w: %d ticks of others came in between", eventlog.ErrConflict, tickAttempts)
}

// reached reports whether the relay has relayed all that the log held then. An
// empty log has no message to stand at, so any empty log will do.
func (r *Relay) reached(state eventlog.State) bool {
	if r.position.Sequence == 0 {
		return state.Last < max(1, state.First)
	}
	return state.Created.Equal(r.position.Created) && state.Last <= r.position.Sequence
}

// tickAge is how long ago the last tick was, in seconds, or -1 before the first.
func (r *Relay) tickAge() float64 {
	ticked := r.ticked.Load()
	if ticked == 0 {
		return -1
	}
	return r.config.Now().Sub(time.UnixMilli(ticked)).Seconds()
}
