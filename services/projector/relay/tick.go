package relay

import (
	"context"
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

// tickIfDue sends a tick about once per TickEvery, as long as the relay keeps
// up: it asks where the log ends, and says so as soon as it got there. A goal
// not reached within TickEvery is dropped, which is what lagging means.
func (r *Relay) tickIfDue(ctx context.Context) error {
	now := r.config.Now()
	if r.goal != nil && now.Sub(r.goal.asked) > r.config.TickEvery {
		r.goal = nil
	}
	if r.goal == nil {
		if now.Sub(r.asked) < r.config.TickEvery {
			return nil
		}
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
	r.goal, r.asked = &goal{state, asked}, asked
	return nil
}

func (r *Relay) tick(ctx context.Context) error {
	if !r.reached(r.goal.state) {
		return nil
	}
	tick := events.Tick{
		Sequence:      r.goal.state.Last,
		AsOf:          events.TimestampOf(r.goal.asked),
		StreamCreated: events.TimestampOf(r.goal.state.Created),
		Relay:         r.config.Name,
	}
	if err := r.config.Log.PublishTick(ctx, tick); err != nil {
		r.metrics.failures.Inc()
		return fmt.Errorf("relay: publish tick %d: %w", tick.Sequence, err)
	}
	r.metrics.ticks.Inc()
	r.ticked.Store(r.goal.asked.UnixMilli())
	r.goal = nil
	return nil
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
