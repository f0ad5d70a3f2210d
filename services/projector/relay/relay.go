package relay

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// ErrNotReady says that the relay has not yet relayed everything that the log
// holds.
var ErrNotReady = errors.New("relay: has not reached the end of the log yet")

// errOtherEpoch says that POS_REVOCATIONS was made anew or purged, and so lacks what this
// relay has relayed.
var errOtherEpoch = fmt.Errorf("relay: POS_REVOCATIONS was made anew or purged: %w", eventlog.ErrHalt)

// Relay is made with New and works in Run.
type Relay struct {
	config  Config
	metrics *metrics
	ticked  atomic.Int64 // Unix ms of the last tick, 0 before the first

	// What follows belongs to Run's follower.
	epoch    string // of POS_REVOCATIONS
	tickedAt uint64 // where the last tick stands that was seen; 0 if there was none
	position eventlog.Position
	start    uint64            // everything up to here was relayed before
	last     map[string]uint64 // sequence of a tenant's last revocation
	seen     uint64            // sequence up to which holes have been counted
	asked    time.Time         // when the end of the log was last asked for
	goals    []goal            // that no tick was sent for yet, oldest first
}

// Run relays until the context ends.
func Run(ctx context.Context, config Config) error {
	r, err := New(config)
	if err != nil {
		return err
	}
	return r.Run(ctx)
}

// New returns a relay that does nothing before Run.
func New(config Config) (*Relay, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &Relay{config: config}
	r.metrics, err = newMetrics(config.Metrics, r.tickAge)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Ready returns nil once the relay has reached the end of the log, and an error
// that wraps ErrNotReady before.
func (r *Relay) Ready() error {
	if r.ticked.Load() == 0 {
		return ErrNotReady
	}
	return nil
}

// Run relays until the context ends, and returns nil then. Whatever hinders it
// is logged and tried again: nobody else would relay in its place.
func (r *Relay) Run(ctx context.Context) error {
	retry := newRetry()
	scratch := false
	for ctx.Err() == nil {
		err := r.follow(ctx, scratch)
		scratch = errors.Is(err, eventlog.ErrGap)
		switch {
		case ctx.Err() != nil: // and err is about that
		case errors.Is(err, errOtherEpoch):
			r.metrics.restarts.Inc()
			r.config.Logger.Error("POS_REVOCATIONS is not what the relay filled: relaying what it lacks", "error", err)
		case scratch:
			r.metrics.restarts.Inc()
			r.config.Logger.Error("the log does not continue where the relay stood: relaying all of it again", "error", err)
			retry.wait(ctx)
		default:
			r.config.Logger.Error("the relay failed and starts again", "error", err)
			retry.wait(ctx)
		}
	}
	return nil
}

func (r *Relay) follow(ctx context.Context, scratch bool) error {
	// In this order: a tick that came after the extent was read would lie beyond it.
	tick, at, err := r.config.Log.LastTick(ctx)
	if err != nil && !errors.Is(err, eventlog.ErrNotFound) {
		return fmt.Errorf("relay: read the last tick: %w", err)
	}
	r.epoch, r.tickedAt = cmp.Or(tick.Epoch, rand.Text()), at
	state, err := r.config.Log.State(ctx, events.StreamSessions)
	if err != nil {
		return fmt.Errorf("relay: read the extent of the log: %w", err)
	}
	after := eventlog.Position{Stream: events.StreamSessions}
	if !scratch && tick.Sequence > 0 {
		if after, err = r.resume(ctx, tick, state); err != nil {
			return err
		}
	}
	r.begin(after, state)
	return r.config.Log.Follow(ctx, eventlog.FollowConfig{
		Name:   component,
		Stream: events.StreamSessions,
		After:  after,
		Sealed: true, // gateways hear nothing about people
		Idle:   func(ctx context.Context, _ eventlog.Position) error { return r.askAndTick(ctx) },
	}, r.handle)
}

func (r *Relay) begin(after eventlog.Position, state eventlog.State) {
	r.position = after
	r.start = after.Sequence
	r.last = map[string]uint64{}
	r.seen = max(after.Sequence, max(1, state.First)-1)
	r.asked = time.Time{}
	r.goals = nil
	r.config.Logger.Info("relaying revocations", "after", after.Sequence)
}

// resume returns the position of the last tick, or the start of the log when the
// tick is not of this log. Starting too early only repeats what message ids and
// gateways absorb.
func (r *Relay) resume(ctx context.Context, tick events.Tick, state eventlog.State) (eventlog.Position, error) {
	first := eventlog.Position{Stream: events.StreamSessions}
	if tick.StreamCreated != events.TimestampOf(state.Created) || tick.Sequence > state.Last {
		r.metrics.restarts.Inc()
		r.config.Logger.Error("the last tick is of another log: relaying all of this one",
			"tick", tick.Sequence, "log_ends", state.Last, "log_created", state.Created)
		return first, nil
	}
	if tick.Sequence < max(1, state.First) {
		return first, nil
	}
	return r.positionAt(ctx, tick.Sequence)
}

func (r *Relay) positionAt(ctx context.Context, sequence uint64) (eventlog.Position, error) {
	batch, err := r.config.Log.Read(ctx, events.StreamSessions, sequence, 1)
	if err != nil {
		return eventlog.Position{}, fmt.Errorf("relay: read message %d: %w", sequence, err)
	}
	if batch.End.Sequence != sequence {
		return eventlog.Position{Stream: events.StreamSessions}, nil
	}
	return batch.End, nil
}

// handle relays the revocations of a batch. It is called again with the same
// batch after an error, so nothing is remembered before all are stored.
func (r *Relay) handle(ctx context.Context, batch eventlog.Batch) error {
	revocations, last, err := r.revocations(batch.Events)
	if err != nil {
		return err
	}
	if len(revocations) > 0 {
		began := time.Now()
		if err := r.config.Log.PublishRevocations(ctx, r.epoch, revocations); err != nil {
			r.metrics.failures.Inc()
			return fmt.Errorf("relay: publish %d revocations: %w", len(revocations), err)
		}
		r.metrics.published.Add(float64(len(revocations)))
		r.metrics.publishSeconds.Observe(time.Since(began).Seconds())
	}
	maps.Copy(r.last, last)
	r.noteUndecodable(batch)
	r.position = batch.End
	r.metrics.lagEvents.Set(float64(batch.Pending))
	return r.tickIfDue(ctx)
}

// noteUndecodable counts what went to quarantine: sequences of POS_SESSIONS have
// no holes of their own. Only the recorder may write there, so that this is a
// fault to be looked at; stopping for it would stop for ever, as nothing is
// deleted from that stream.
func (r *Relay) noteUndecodable(batch eventlog.Batch) {
	missing := int(batch.End.Sequence-r.seen) - len(batch.Events)
	if missing > 0 {
		r.metrics.undecodable.Add(float64(missing))
		r.config.Logger.Error("facts went to quarantine: if they were revocations, gateways do not know of them",
			"facts", missing, "after", r.seen, "up_to", batch.End.Sequence)
	}
	r.seen = max(r.seen, batch.End.Sequence)
}
