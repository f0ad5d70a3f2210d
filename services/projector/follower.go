package projector

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/eventlog"
)

const (
	firstPause = 20 * time.Millisecond
	lastPause  = 2 * time.Second
	// currentEvery is how often a busy follower says that it is current.
	currentEvery = time.Second
)

// follower projects one stream.
type follower struct {
	*Projector
	stream string

	// What others read while it works.
	at       atomic.Uint64 // position in the read model
	end      atomic.Uint64 // the log's end at the start; 0 before it is known
	caughtUp atomic.Bool
	pending  atomic.Uint64
	newest   atomic.Int64 // Unix ms up to which the read model is known to be current

	// What follows belongs to run.
	from      eventlog.Position // checkpoint that the next batch continues
	goal      *uint64           // the log's end at the start
	currentAt time.Time
	pause     time.Duration
}

func newFollower(p *Projector, stream string) *follower {
	f := &follower{Projector: p, stream: stream, pause: firstPause}
	f.newest.Store(p.config.Now().UnixMilli())
	return f
}

// run returns nil when the context ends and an error that wraps eventlog.ErrGap
// when POS_SESSIONS does not continue where the read model stands. Anything else
// is tried again.
func (f *follower) run(ctx context.Context) error {
	for ctx.Err() == nil {
		err := f.follow(ctx)
		switch {
		case ctx.Err() != nil: // and err is about that
		case errors.Is(err, eventlog.ErrGap) && f.stream == events.StreamTouches:
			f.startOver(ctx, err)
		case errors.Is(err, eventlog.ErrGap):
			return err
		case errors.Is(err, activesessions.ErrFenced):
			f.metrics.fenced.WithLabelValues(f.stream).Inc()
			f.config.Logger.Debug("another projector is at work", "stream", f.stream)
			f.wait(ctx, f.config.StandBy)
		default:
			f.config.Logger.Error("projecting failed and starts again from the checkpoint", "stream", f.stream, "error", err)
			f.wait(ctx, lastPause)
		}
	}
	return nil
}

// startOver reads the touches that are left from the first one on. Their stream
// may lose its end in a power cut, and that is no reason to stop: they are merged
// into what is known, and the next request of a session makes good what is lost.
func (f *follower) startOver(ctx context.Context, gap error) {
	f.config.Logger.Warn("touches were lost; those that are left are read again", "stream", f.stream, "error", gap)
	batch := activesessions.Batch{From: f.from, To: eventlog.Position{Stream: f.stream}}
	if _, err := f.config.Store.Apply(ctx, batch); err != nil && ctx.Err() == nil {
		f.config.Logger.Warn("the position of the touches could not be set back, trying again", "error", err)
		f.wait(ctx, f.config.StandBy)
	}
	f.goal = nil // the stream ends elsewhere now
}

// wait pauses a little longer each time, up to a limit; a batch applied makes
// the next pause short again.
func (f *follower) wait(ctx context.Context, limit time.Duration) {
	timer := time.NewTimer(f.pause/2 + rand.N(f.pause)) //nolint:gosec // spreads retries, guards nothing
	defer timer.Stop()
	f.pause = min(2*f.pause, limit)
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

func (f *follower) follow(ctx context.Context) error {
	if err := f.begin(ctx); err != nil {
		return err
	}
	return f.config.Log.Follow(ctx, eventlog.FollowConfig{
		Name:     "projector_" + strings.ToLower(strings.TrimPrefix(f.stream, "POS_")),
		Stream:   f.stream,
		After:    f.from,
		MaxBatch: f.config.MaxBatch,
		Idle:     f.idle,
	}, f.handle)
}

func (f *follower) begin(ctx context.Context) error {
	if f.goal == nil {
		state, err := f.config.Log.State(ctx, f.stream)
		if err != nil {
			return fmt.Errorf("projector: read the extent of %s: %w", f.stream, err)
		}
		f.goal = &state.Last
		f.end.Store(state.Last)
	}
	from, err := f.config.Store.Checkpoint(ctx, f.stream)
	if err != nil {
		return fmt.Errorf("projector: read the checkpoint of %s: %w", f.stream, err)
	}
	f.from = from
	f.moved(from.Sequence)
	return nil
}

// moved notes a position that the read model is known to have.
func (f *follower) moved(sequence uint64) {
	f.at.Store(sequence)
	f.announcer.visible(f.stream, sequence)
	if sequence >= *f.goal && !f.caughtUp.Swap(true) {
		f.config.Logger.Info("caught up with the log", "stream", f.stream, "position", sequence)
	}
}

func (f *follower) handle(ctx context.Context, batch eventlog.Batch) error {
	began := time.Now()
	if err := f.destroy(ctx, batch.Events); err != nil {
		return f.failed(err)
	}
	devices, err := f.devices(ctx, batch.Events)
	if err != nil {
		return f.failed(err)
	}
	changed, err := f.config.Store.Apply(ctx, activesessions.Batch{
		Facts: batch.Events, Devices: devices, From: f.from, To: batch.End,
	})
	if err != nil {
		return f.failed(err)
	}
	f.metrics.applied(f.stream, len(batch.Events), time.Since(began))
	f.applied(batch)
	f.announcer.changed(changed, f.urgent(&batch))
	if batch.Pending == 0 && time.Since(f.currentAt) > currentEvery {
		return f.current(ctx)
	}
	return nil
}

// destroy destroys the keys of users who are forgotten, before the read model can be
// past the facts that say so: the recorder may have ended before it did.
func (f *follower) destroy(ctx context.Context, facts []eventlog.Recorded) error {
	for _, fact := range facts {
		if forgotten, ok := fact.Event.(events.Forgotten); ok {
			if err := f.config.Log.Destroy(ctx, forgotten); err != nil {
				return err
			}
		}
	}
	return nil
}

// failed makes the follower read the checkpoint again when it was fenced, and
// try the batch again otherwise.
func (f *follower) failed(err error) error {
	if errors.Is(err, activesessions.ErrFenced) {
		return fmt.Errorf("%w: %w", eventlog.ErrHalt, err)
	}
	f.metrics.failures.WithLabelValues(f.stream).Inc()
	return fmt.Errorf("projector: apply a batch of %s: %w", f.stream, err)
}

func (f *follower) applied(batch eventlog.Batch) {
	if f.stream == events.StreamSessions && f.from.Sequence > 0 {
		// POS_SESSIONS has no holes but what could not be decoded.
		missing := int(batch.End.Sequence-f.from.Sequence) - len(batch.Events)
		f.metrics.undecodable.WithLabelValues(f.stream).Add(float64(max(0, missing)))
	}
	if n := len(batch.Events); n > 0 {
		f.newest.Store(batch.Events[n-1].Time.UnixMilli())
	}
	f.pending.Store(batch.Pending)
	f.pause = firstPause
	f.from = batch.End
	f.moved(batch.End.Sequence)
}

// urgent changes are those that a person waits for: a login or a revocation,
// unless there is a backlog of them.
func (f *follower) urgent(batch *eventlog.Batch) bool {
	return f.stream == events.StreamSessions && batch.Pending < uint64(f.config.MaxBatch)
}

func (f *follower) idle(ctx context.Context, end eventlog.Position) error {
	if end.Sequence < f.from.Sequence {
		return nil
	}
	f.moved(end.Sequence) // what lies between has expired or was erased
	return f.current(ctx)
}

// current states that the read model shows the end of the stream. That it could
// not be stated makes the answers look older than they are and harms nothing.
func (f *follower) current(ctx context.Context) error {
	now := f.config.Now()
	f.currentAt = time.Now()
	f.pending.Store(0)
	f.newest.Store(now.UnixMilli())
	if err := f.config.Store.Current(ctx, f.stream, now); err != nil && ctx.Err() == nil {
		f.metrics.failures.WithLabelValues(f.stream).Inc()
		f.config.Logger.Warn("the read model could not be marked as current", "stream", f.stream, "error", err)
	}
	return nil
}

// lagSeconds is how old the read model is at worst.
func (f *follower) lagSeconds() float64 {
	return max(0, f.config.Now().Sub(time.UnixMilli(f.newest.Load())).Seconds())
}
