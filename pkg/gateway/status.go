package gateway

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/gateway/internal/feed"
)

const (
	// statusPause lies between two reports, so that a Logout All of a thousand
	// sessions is one.
	statusPause = 3 * time.Millisecond
	// rollCallPause lies between two answers to roll calls, however many there are.
	rollCallPause = time.Second
	// attention is for how long after a roll call each revocation is reported as soon
	// as it is applied: whoever waits for that calls the roll every five seconds.
	attention = 15 * time.Second
)

// reporter says what the gateway has applied: when it is asked and for a while after
// that, at once when it goes stale or becomes fresh, and every interval. Most ends
// nobody waits for, and a thousand reports of each would cost more than the tills'
// activity. That of an unlisted gateway says nothing.
type reporter struct {
	cfg    Config
	clock  *clock
	state  *state
	notify chan struct{}

	attentive atomic.Int64 // until when somebody waits, as a time.Duration since the start
}

func newReporter(cfg Config, clock *clock, state *state) *reporter {
	return &reporter{cfg: cfg, clock: clock, state: state, notify: make(chan struct{}, 1)}
}

// changed asks for a report without waiting for it.
func (r *reporter) changed() {
	select {
	case r.notify <- struct{}{}:
	default:
	}
}

// applied asks for a report if somebody may wait for it.
func (r *reporter) applied() {
	if r.state.since(r.cfg.Now()) < time.Duration(r.attentive.Load()) {
		r.changed()
	}
}

func (r *reporter) run(ctx context.Context, source feed.Feed) {
	if r.cfg.Unlisted {
		return
	}
	interval := time.NewTicker(r.cfg.StatusInterval)
	defer interval.Stop()
	for {
		r.report(source, false)
		select {
		case <-ctx.Done():
			return
		case <-time.After(statusPause):
		}
		select {
		case <-ctx.Done():
			return
		case <-r.notify:
		case <-interval.C:
		}
	}
}

// answer has the gateway report when the roll is called.
func (r *reporter) answer(ctx context.Context, source feed.Feed) {
	if r.cfg.Unlisted {
		return
	}
	called := make(chan struct{}, 1)
	stop, err := source.RollCalls(func() {
		// What was applied before is in the answer.
		r.attentive.Store(int64(r.state.since(r.cfg.Now()) + attention))
		select {
		case called <- struct{}{}:
		default:
		}
	})
	if err != nil {
		r.cfg.Logger.WarnContext(ctx, "roll calls are not heard", slog.Any("error", err))
		return
	}
	defer stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-called:
			r.changed()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(rollCallPause):
		}
	}
}

func (r *reporter) report(source feed.Feed, leaving bool) {
	if r.cfg.Unlisted {
		return
	}
	now := r.cfg.Now()
	_, stale := r.state.staleFor(now)
	data, err := json.Marshal(events.GatewayStatus{
		Gateway: r.cfg.ID, Name: r.cfg.Name, Tenant: r.cfg.Tenant,
		Applied: r.state.applied.Load(), At: events.TimestampOf(r.clock.at(now)),
		Stale: stale || !r.state.loaded.Load(), Entries: r.state.set.Load().Len(),
		Interval: r.cfg.StatusInterval.Seconds(), Leaving: leaving,
	})
	if err == nil {
		err = source.PublishStatus(events.GatewayStatusSubject(r.cfg.ID), data)
	}
	if err != nil {
		r.cfg.Logger.Debug("status was not sent", slog.Any("error", err))
	}
}
