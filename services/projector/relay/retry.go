package relay

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = time.Second
)

// retry spaces attempts out, so that a fault is not made worse. An attempt that
// went on for longer than the longest pause counts as a success.
type retry struct {
	pause time.Duration
	since time.Time
}

func newRetry() *retry { return &retry{pause: firstRetry, since: time.Now()} }

func (r *retry) wait(ctx context.Context) {
	if time.Since(r.since) > 2*lastRetry {
		r.pause = firstRetry
	}
	timer := time.NewTimer(r.pause/2 + rand.N(r.pause)) //nolint:gosec // spreads retries, guards nothing
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	r.pause = min(2*r.pause, lastRetry)
	r.since = time.Now()
}
