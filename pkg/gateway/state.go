package gateway

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/posse-pos/posse/pkg/gateway/internal/denyset"
)

// state is what a decision reads: what the follower knows, published without a
// lock.
//
//	                 end of the stream reached        no tick for StaleAfter,
//	                 and a live tick heard            or an unreadable revocation
//	(not loaded) ─────────────────────────▶ (fresh) ─────────────────────────▶ (stale)
//	     │ snapshot read                       ▲                                  │
//	     └────────────────────▶ (stale)        └──────────────────────────────────┘
//	                                             a tick, with everything before it
type state struct {
	start   time.Time
	set     atomic.Pointer[denyset.Set]
	loaded  atomic.Bool
	staleAt atomic.Int64 // when it goes or went stale, in nanoseconds from start
	applied atomic.Uint64
}

func (s *state) since(now time.Time) time.Duration { return now.Sub(s.start) }

// staleFor returns for how long the gateway is stale, and whether it is.
func (s *state) staleFor(now time.Time) (time.Duration, bool) {
	over := s.since(now) - time.Duration(s.staleAt.Load())
	return over, over > 0
}

// freshUntil moves the moment of going stale forward, never back.
func (s *state) freshUntil(at time.Duration) {
	s.staleAt.Store(max(s.staleAt.Load(), int64(at)))
}

// expire makes the gateway stale now, if it is not already.
func (s *state) expire(now time.Time) {
	s.staleAt.Store(min(s.staleAt.Load(), int64(s.since(now))-1))
}

// never is the staleAt of a gateway that was never fresh.
const never = time.Duration(math.MinInt64 / 2)
