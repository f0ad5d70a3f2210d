package projector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/device"
)

const (
	// lookEvery is how often a rebuild looks how far it is.
	lookEvery = 50 * time.Millisecond
	// reachPatience is how long the projectors may be held up while the new read model
	// reaches what the one that serves shows.
	reachPatience = 2 * time.Second
	// replaceRetry is how long a rebuild waits before it tries again to take over.
	replaceRetry = time.Second
)

// RebuildConfig says what to rebuild a read model from.
type RebuildConfig struct {
	// Log to read from the first message on. Required.
	Log Log
	// Store to fill. It goes on where it stands. Required.
	Store activesessions.Replacement
	// Bus to tell the screens on that everything may look different; nil means that
	// nobody is told.
	Bus Publisher
	// MaxBatch is the most events in one transaction; 0 means 2000.
	MaxBatch int
	// Progress is called now and then; nil means that nobody is told.
	Progress func(RebuildProgress)
	// Logger; nil means slog.Default().
	Logger *slog.Logger
}

// RebuildProgress says how far a rebuild is, in sequences of both streams together.
type RebuildProgress struct {
	At, End uint64
	Events  int // applied by this run
}

// Rebuilt says what a run of a rebuild did.
type Rebuilt struct {
	// Events is how many it applied until it had caught up with the log, and Took how
	// long that took. Those from before an interruption are not among them.
	Events int
	Took   time.Duration
}

// Rate is in events a second.
func (r Rebuilt) Rate() float64 { return float64(r.Events) / max(r.Took, time.Microsecond).Seconds() }

// Rebuild fills a read model from the log, and then has it take the place of the one
// that serves. Projectors go on writing that one until the very moment, and the new
// one from then on; what the log stores meanwhile is in both.
//
//	follow both streams ─▶ caught up ─▶ settle ─▶ stop the writers ─▶ reach what they wrote ─▶ replace ─▶ announce
//	         ▲                                                                                   │
//	         └─────────────────────────── busy: let the writers go on ───────────────────────────┘
//
// A rebuild that ended before its end goes on where its store stands. It returns an
// error that wraps ErrHalted if the log does not continue there: then what it filled is
// of another log. It sweeps nothing: what was swept before is there again until a
// projector sweeps.
func Rebuild(ctx context.Context, config RebuildConfig) (Rebuilt, error) {
	config.Logger = cmp.Or(config.Logger, slog.Default())
	if config.Progress == nil {
		config.Progress = func(RebuildProgress) {}
	}
	r := &rebuild{RebuildConfig: config, parser: device.NewParser(0), began: time.Now()}
	for {
		err := r.attempt(ctx)
		if !errors.Is(err, activesessions.ErrBusy) {
			return r.done, err
		}
		config.Logger.InfoContext(ctx, "the new read model waits for a moment to take over", "reason", err)
		if !pauseFor(ctx, replaceRetry) {
			return r.done, ctx.Err()
		}
	}
}

type rebuild struct {
	RebuildConfig

	parser  *device.Parser
	began   time.Time
	events  atomic.Int64
	settled bool
	done    Rebuilt
}

// counted counts what a store applies.
type counted struct {
	activesessions.Replacement

	events *atomic.Int64
}

// Apply counts what it lets through.
func (c counted) Apply(ctx context.Context, batch activesessions.Batch) ([]activesessions.UserRef, error) {
	changed, err := c.Replacement.Apply(ctx, batch)
	if err == nil {
		c.events.Add(int64(len(batch.Facts)))
	}
	return changed, err
}

// attempt follows the log until the new read model has taken over, or could not.
func (r *rebuild) attempt(ctx context.Context) error {
	p, err := New(Config{
		Log: r.Log, Store: counted{r.Store, &r.events}, Parser: r.parser, MaxBatch: r.MaxBatch, Logger: r.Logger,
	})
	if err != nil {
		return err
	}
	f := p.fill(ctx)
	defer f.stop()
	if err := r.catchUp(ctx, f); err != nil {
		return err
	}
	if !r.settled {
		r.done = Rebuilt{Events: int(r.events.Load()), Took: time.Since(r.began)}
		if err := r.Store.Settle(ctx); err != nil {
			return err
		}
		r.settled = true
	}
	tenants, err := r.Store.Replace(ctx, f.reach)
	if err != nil {
		return err
	}
	r.announce(p, tenants)
	return nil
}

// catchUp waits until what the log held at the start is in.
func (r *rebuild) catchUp(ctx context.Context, f *filling) error {
	for {
		r.Progress(f.progress(int(r.events.Load())))
		err := f.Ready()
		if err == nil {
			return nil
		}
		if errors.Is(err, ErrHalted) {
			return fmt.Errorf("what was rebuilt before is not of this log, abandon it: %w", err)
		}
		if !pauseFor(ctx, lookEvery) {
			return ctx.Err()
		}
	}
}

// announce tells every screen to read again. Facts that the new read model had before
// the projectors came to it were announced by nobody.
func (r *rebuild) announce(p *Projector, tenants []string) {
	p.announcer.bus = r.Bus
	if r.Bus == nil {
		return
	}
	for _, tenant := range slices.Sorted(slices.Values(tenants)) {
		p.announcer.everybody(tenant)
	}
}

// filling is followers at work that neither sweep nor announce.
type filling struct {
	*Projector
	cancel context.CancelFunc
	group  *errgroup.Group
	once   sync.Once
}

func (p *Projector) fill(ctx context.Context) *filling {
	ctx, cancel := context.WithCancel(ctx)
	f := &filling{Projector: p, cancel: cancel, group: &errgroup.Group{}}
	for _, follower := range p.streams {
		f.group.Go(func() error {
			if err := follower.run(ctx); err != nil {
				p.halt(follower.stream, err)
			}
			return nil
		})
	}
	return f
}

// stop returns when nothing is written any more.
func (f *filling) stop() {
	f.once.Do(func() {
		f.cancel()
		_ = f.group.Wait() // none of them returns an error
	})
}

func (f *filling) progress(applied int) RebuildProgress {
	done := RebuildProgress{Events: applied}
	for _, s := range f.streams {
		at := s.at.Load()
		done.At += at
		done.End += max(at, s.end.Load())
	}
	return done
}

// reach waits until the new read model shows what the other one does, and stops
// filling it.
func (f *filling) reach(ctx context.Context, shown map[string]uint64) error {
	ctx, cancel := context.WithTimeout(ctx, reachPatience)
	defer cancel()
	for _, s := range f.streams {
		state, err := f.config.Log.State(ctx, s.stream)
		if err != nil {
			return fmt.Errorf("projector: read the extent of %s: %w", s.stream, err)
		}
		// What serves may be of a log that was longer.
		if err := f.reachOne(ctx, s, min(shown[s.stream], state.Last)); err != nil {
			return err
		}
	}
	f.stop()
	return f.haltedErr()
}

func (f *filling) reachOne(ctx context.Context, s *follower, target uint64) error {
	for s.at.Load() < target {
		if err := f.haltedErr(); err != nil {
			return err
		}
		if !pauseFor(ctx, lookEvery/10) {
			return fmt.Errorf("%w: %s is shown up to %d, and the new read model stands at %d",
				activesessions.ErrBusy, s.stream, target, s.at.Load())
		}
	}
	return nil
}

// pauseFor returns false when the context ended.
func pauseFor(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
