package gatewaytest

import (
	"sync"
	"time"
)

// Clock is a clock that stands still until it is told to go on, so that a test of a
// gateway that is stale waits for nothing. Its Now is for gateway.Config, Feed and
// Issuer alike; make one with NewClock.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that stands at this second, so that what a fact says of
// the time, in milliseconds, equals what the clock says.
func NewClock() *Clock { return &Clock{now: time.Now().Truncate(time.Second)} }

// Now returns where the clock stands.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance puts the clock forward.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
