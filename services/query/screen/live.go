package screen

import (
	"context"
	"sync"
	"time"

	"github.com/posse-pos/posse/services/query/changes"
)

const (
	// gatherFor is how long the first change after a silence waits for others.
	gatherFor = 50 * time.Millisecond
	// maxPulseUsers is how many users a pulse names.
	maxPulseUsers = 1024
	// busyRetry is how long a crowd waits that the hub has no room for.
	busyRetry = time.Second
)

// live tells open screens what changed. All screens of a tenant are one watcher
// of the hub, a crowd; what comes within PulseEvery reaches them as one pulse.
type live struct {
	hub   *changes.Hub
	every time.Duration
	most  int // screens, of all tenants

	mu     sync.Mutex
	crowds map[string]*crowd
	open   int    // screens
	number uint64 // of the newest pulse, whoever's
}

func newLive(config Config) *live {
	return &live{hub: config.Changes, every: config.PulseEvery, most: config.MaxScreens, crowds: map[string]*crowd{}}
}

// join adds a screen that shows a tenant as of a mark. What happened since is its
// first pulse. The error is changes.ErrBusy when so many are open already, or that of
// changes.Hub.Watch.
func (l *live) join(tenant, user string, since, now changes.Mark) (*member, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= l.most {
		return nil, changes.ErrBusy
	}
	c := l.crowds[tenant]
	if c == nil {
		watching, err := l.hub.Watch(tenant, "", now)
		if err != nil {
			return nil, err
		}
		c = l.begin(tenant, watching)
	}
	m := &member{crowd: c, user: user, wake: make(chan struct{}, 1)}
	m.catchUp(since, now)
	c.members[m] = struct{}{}
	l.open++
	return m, nil
}

// begin makes a tenant's crowd. The caller holds the lock.
func (l *live) begin(tenant string, watching *changes.Watching) *crowd {
	ctx, cancel := context.WithCancel(context.Background())
	c := &crowd{live: l, tenant: tenant, cancel: cancel, done: make(chan struct{}), members: map[*member]struct{}{}, seen: watching.From}
	c.number = l.next()
	l.crowds[tenant] = c
	go c.run(ctx, watching)
	return c
}

// next is the number of a new pulse. No two crowds have the same, so that nobody
// takes a read for newer than it is. The caller holds the lock.
func (l *live) next() uint64 {
	l.number++
	return l.number
}

// pulseOf is the number of a tenant's newest pulse; false if nobody watches it.
func (l *live) pulseOf(tenant string) (uint64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.crowds[tenant]
	if c == nil {
		return 0, false
	}
	return c.number, true
}
