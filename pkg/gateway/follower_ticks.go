package gateway

import (
	"log/slog"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/gateway/internal/feed"
	"github.com/posse-pos/posse/pkg/gateway/internal/freshness"
)

func (f *follower) tick(t events.Tick, m feed.Message) (wantsProof bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t.StreamCreated < f.logCreated {
		return false // a relay that still follows a log that was replaced
	}
	renewed := f.logCreated != 0 && t.StreamCreated > f.logCreated
	f.logCreated = t.StreamCreated
	trueAt, known, wantsProof := f.estimator.Observe(freshness.Tick{
		Relay: t.Relay,
		AsOf:  time.Duration(t.AsOf) * time.Millisecond, Written: time.Duration(t.Written) * time.Millisecond,
		Arrived: f.state.since(f.cfg.Now()), Within: m.Within,
	})
	f.advanceTo(t.Sequence, renewed)
	if known {
		writtenAt := trueAt + time.Duration(t.Written-t.AsOf)*time.Millisecond
		f.clock.hear(t.Written, m.Stored, writtenAt)
		f.fresh(trueAt)
	}
	return wantsProof
}

// advanceTo moves the position to a tick's. The positions of a log that was made
// anew begin anew.
func (f *follower) advanceTo(sequence uint64, renewed bool) {
	applied := f.state.applied.Load()
	if f.loading != nil {
		applied = f.loading.applied
	}
	if !renewed {
		sequence = max(sequence, applied)
	}
	if f.loading != nil {
		f.loading.applied = sequence
		return
	}
	f.confirm(sequence)
}

// fresh takes note that everything up to a moment is known, and ends a load that
// reached the end.
func (f *follower) fresh(trueAt time.Duration) {
	if f.loading != nil {
		if !f.loading.caughtUp {
			return
		}
		f.finish()
	}
	if f.unreadable == nil {
		f.state.freshUntil(trueAt + f.cfg.StaleAfter)
	}
}

func (f *follower) finish() {
	done := f.loading
	f.loading = nil
	f.unreadable = done.unreadable
	f.state.set.Store(done.set)
	f.state.applied.Store(done.applied)
	f.state.loaded.Store(true)
	f.owed = 0
	f.status()
	f.cfg.Logger.Info("revocations are loaded",
		slog.Int("entries", done.set.Len()), slog.Uint64("applied", done.applied))
}
