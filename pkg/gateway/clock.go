package gateway

import (
	"sync/atomic"
	"time"

	"github.com/posse-pos/posse/events"
)

// tolerance is how far this machine's clock may be off before another is believed.
// Of the others it is known to two seconds; tokens have a leeway of ten.
const tolerance = 5 * time.Second

// clock tells the time of day: by this machine's clock, unless the relay's and that
// of NATS both say that it is wrong in the same direction, and then by the one that
// differs less, which is the middle one of the three. So one that is wrong, which
// in a shop is usually ours, makes no token expire early and none live on.
//
// It is for what others wrote the time of: tokens, revocations, touches. How fresh
// the gateway is has nothing to do with the time of day; see state.
type clock struct {
	ours   func() time.Time
	start  time.Time // by our clock
	others atomic.Pointer[others]
}

// others is what the other clocks said when the gateway started, as far as can be
// told from what they said since.
type others struct{ relay, nats time.Time }

func newClock(ours func() time.Time) *clock { return &clock{ours: ours, start: ours()} }

// hear takes note of a tick: what the relay's clock said when it was written, and
// that of NATS when it was stored, at a moment that is counted from the start. Without a time of NATS there is no
// majority, and nothing to learn.
func (c *clock) hear(written events.Timestamp, stored time.Time, at time.Duration) {
	if !stored.IsZero() {
		c.others.Store(&others{relay: written.Time().Add(-at), nats: stored.Add(-at)})
	}
}

// now is the time of day.
func (c *clock) now() time.Time { return c.at(c.ours()) }

// at is now, for those who have asked our clock already.
func (c *clock) at(ours time.Time) time.Time {
	heard := c.others.Load()
	if heard == nil {
		return ours
	}
	elapsed := ours.Sub(c.start) // which nobody who sets our clock changes
	if middle := median(ours, heard.relay.Add(elapsed), heard.nats.Add(elapsed)); ours.Sub(middle).Abs() > tolerance {
		return middle
	}
	return ours
}

func median(a, b, c time.Time) time.Time {
	if b.Before(a) {
		a, b = b, a
	}
	switch {
	case c.Before(a):
		return a
	case b.Before(c):
		return b
	default:
		return c
	}
}
