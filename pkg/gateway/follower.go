package gateway

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/gateway/internal/denyset"
	"github.com/posse-pos/posse/pkg/gateway/internal/feed"
	"github.com/posse-pos/posse/pkg/gateway/internal/freshness"
)

const (
	// retention is how much longer than its session a revocation is remembered,
	// besides the leeway of tokens: clocks differ.
	retention = time.Minute
	// restartPause is how long after a feed that could not go on it is followed
	// anew.
	restartPause = 250 * time.Millisecond
	// rereadAfter is how long after an unreadable revocation the stream is read
	// again, in case somebody removed it.
	rereadAfter = 30 * time.Second
)

// follower is the one that writes: it applies the feed to the deny-set. What it
// knows is published in state.
type follower struct {
	cfg    Config
	clock  *clock
	state  *state
	keep   time.Duration // how much longer than its session a revocation is kept
	status func()        // called when there is something to report at once
	report func()        // called when a revocation is confirmed

	mu         sync.Mutex
	begun      bool
	estimator  freshness.Estimator
	loading    *load // nil when everything was loaded
	unreadable error // the stream holds a revocation that cannot be read
	since      time.Time
	restart    context.CancelFunc
	logCreated events.Timestamp
	owed       uint64 // greatest revocation that is in the set and not confirmed

	badTicks atomic.Uint64
}

// load is one reading of the stream from its beginning. It goes into a set of its
// own, so that what was left out of the stream is left out of the set, while the
// set before it goes on refusing.
type load struct {
	set        *denyset.Set
	unreadable error
	applied    uint64
	caughtUp   bool
}

// run follows the feed, anew each time it cannot go on.
func (f *follower) run(ctx context.Context, source feed.Feed) {
	for ctx.Err() == nil {
		run, restart := context.WithCancel(ctx)
		f.begin(restart)
		err := source.Follow(run, f)
		restart()
		if ctx.Err() != nil {
			return
		}
		f.cfg.Logger.WarnContext(ctx, "revocations are loaded anew", slog.Any("reason", err))
		select {
		case <-ctx.Done():
		case <-time.After(restartPause):
		}
	}
}

// begin prepares for the stream from its first message. A gateway that was fresh
// is stale until it is loaded again: it cannot know what it misses.
func (f *follower) begin(restart context.CancelFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.restart = restart
	f.logCreated = 0
	f.loading = &load{set: f.state.set.Load()}
	if f.state.loaded.Load() {
		f.loading.set = denyset.New()
	}
	if f.begun {
		f.state.expire(f.cfg.Now())
	}
	f.begun = true
}

// Apply takes one message of the feed.
func (f *follower) Apply(m feed.Message) (wantsProof bool) {
	if m.Subject == events.SubjectTick {
		tick, err := events.DecodeTick(m.Data)
		if err != nil {
			// A tick only ever makes fresher: without it the gateway goes stale.
			f.badTicks.Add(1)
			f.cfg.Logger.Error("tick cannot be read", slog.Any("error", err))
			return false
		}
		return f.tick(tick, m)
	}
	revocation, err := events.DecodeRevocation(m.Subject, m.Data)
	if err != nil {
		f.unread(err)
		return false
	}
	if f.revoke(revocation) {
		f.cfg.Hooks.Revoked(revocation.Tenant, revocation.Session)
	}
	return false
}

// CaughtUp says that the stream was read to its end.
func (f *follower) CaughtUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.loading != nil {
		f.loading.caughtUp = true
	}
}

// revoke reports whether the session is refused only from now on.
func (f *follower) revoke(r events.Revocation) (added bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	expires := int64(r.Expires) + f.keep.Milliseconds()
	live := f.state.set.Load()
	added = live.Add(r.Tenant, r.Session, expires)
	if f.loading != nil {
		if f.loading.set != live {
			f.loading.set.Add(r.Tenant, r.Session, expires)
		}
		f.loading.applied = advance(f.loading.applied, r)
		return added && f.state.loaded.Load()
	}
	f.owed = max(f.owed, r.Sequence)
	f.confirm(advance(f.state.applied.Load(), r))
	return added
}

// advance moves a position over a revocation if nothing can be between them.
func advance(applied uint64, r events.Revocation) uint64 {
	if r.Previous <= applied {
		return max(applied, r.Sequence)
	}
	return applied
}

// confirm publishes the position, and says so when a revocation is confirmed by it.
func (f *follower) confirm(applied uint64) {
	f.state.applied.Store(applied)
	if f.owed != 0 && applied >= f.owed {
		f.owed = 0
		f.report()
	}
}

// unread takes note of a revocation that cannot be read: somebody is revoked and
// the gateway does not know who. It is stale until a reading of the whole stream
// meets no such message.
func (f *follower) unread(err error) {
	f.cfg.Logger.Error("revocation cannot be read: the gateway is stale until it is gone from the stream",
		slog.Any("error", err))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.since = f.cfg.Now()
	if f.loading != nil {
		f.loading.unreadable = err
		return
	}
	f.unreadable = err
	f.state.expire(f.since)
	f.status()
}

// sweep drops what expired, part by part, and reads the stream again if a
// revocation in it could not be read.
func (f *follower) sweep(parts int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.cfg.Now()
	f.state.set.Load().Sweep(parts, f.clock.at(now).UnixMilli())
	if f.unreadable != nil && f.loading == nil && now.Sub(f.since) > rereadAfter {
		f.since = now
		f.restart()
	}
}

// staleness returns why the gateway is stale, for people.
func (f *follower) staleness() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.unreadable != nil:
		return errors.Join(ErrStale, f.unreadable)
	case f.loading != nil:
		return errors.Join(ErrStale, errors.New("the revocations are being loaded"))
	default:
		return errors.Join(ErrStale, errors.New("no tick was heard from a relay in time"))
	}
}

// settled reports whether the set is the whole truth as of the newest tick.
func (f *follower) settled() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.loading == nil && f.unreadable == nil
}
