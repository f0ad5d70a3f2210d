package screen

import (
	"context"
	"errors"
	"time"

	"github.com/posse-pos/posse/services/query/changes"
)

// crowd is the open screens of one tenant. It begins with the first and ends
// with the last.
type crowd struct {
	live   *live
	tenant string
	cancel context.CancelFunc
	done   chan struct{}

	// live.mu guards these.
	members map[*member]struct{}
	pending pulse
	seen    changes.Mark
	number  uint64 // of the newest pulse
}

// run hands pulses on until the crowd or the hub ends.
func (c *crowd) run(ctx context.Context, w *changes.Watching) {
	defer close(c.done)
	defer c.cancel()
	for w != nil {
		c.follow(ctx, w)
		w.Stop()
		if w = c.again(ctx); w != nil {
			c.gather(changes.Change{Mark: w.From, All: true}, true)
			c.beat()
		}
	}
	c.end()
}

func (c *crowd) follow(ctx context.Context, w *changes.Watching) {
	var beat <-chan time.Time
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.live.hub.Closed():
			return
		case <-w.Cut():
			return
		case change := <-w.Changes():
			c.gather(change, false)
			if beat == nil {
				beat = time.After(max(gatherFor, c.live.every-time.Since(last)))
			}
		case <-beat:
			c.beat()
			beat, last = nil, time.Now()
		}
	}
}

// again watches anew after the crowd was too slow; nil when there is nothing to
// watch any more.
func (c *crowd) again(ctx context.Context) *changes.Watching {
	for ctx.Err() == nil {
		w, err := c.live.hub.Watch(c.tenant, "", changes.Mark{})
		if !errors.Is(err, changes.ErrBusy) {
			return w // nil when the hub has closed
		}
		select {
		case <-ctx.Done():
		case <-time.After(busyRetry):
		}
	}
	return nil
}

// gather adds a change to the next pulse. Whoever it may have signed out is told
// at once.
func (c *crowd) gather(change changes.Change, moved bool) {
	c.live.mu.Lock()
	defer c.live.mu.Unlock()
	moved = moved || change.Position > c.seen.Position
	c.seen = c.seen.Join(change.Mark)
	c.pending.add(change.Users, change.All, moved)
	if !moved {
		return
	}
	for m := range c.members {
		if change.Concerns(m.user) {
			m.check = true
			m.notify()
		}
	}
}

// beat hands the pulse to every screen. Who has not taken the one before gets
// both as one.
func (c *crowd) beat() {
	c.live.mu.Lock()
	defer c.live.mu.Unlock()
	c.number = c.live.next()
	for m := range c.members {
		m.pending.merge(&c.pending)
		m.notify()
	}
	c.pending = pulse{}
}

func (c *crowd) end() {
	c.live.mu.Lock()
	defer c.live.mu.Unlock()
	for m := range c.members {
		m.pending.ended = true
		m.notify()
	}
	if c.live.crowds[c.tenant] == c {
		delete(c.live.crowds, c.tenant)
	}
}
