package projector

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
)

// announcer gathers changed users by tenant and announces them after their
// commit. A lost announcement is not repeated: whoever hears them finds that one
// is missing by its number, and looks at the read model's position now and then.
type announcer struct {
	bus      Publisher
	source   string
	every    time.Duration
	logger   *slog.Logger
	failures prometheus.Counter

	mu       sync.Mutex
	number   uint64 // of the last announcement
	position uint64
	touches  uint64
	waiting  map[string]map[string]struct{} // users by tenant
}

func newAnnouncer(config Config) *announcer {
	return &announcer{
		bus:     config.Bus,
		source:  rand.Text(),
		every:   config.AnnounceEvery,
		logger:  config.Logger,
		waiting: map[string]map[string]struct{}{},
	}
}

// run announces what was gathered, until the context ends.
func (a *announcer) run(ctx context.Context) {
	if a.bus == nil {
		return
	}
	ticker := time.NewTicker(a.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			a.flush()
			return
		case <-ticker.C:
			a.flush()
		}
	}
}

// visible notes what the read model shows at least.
func (a *announcer) visible(stream string, sequence uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if stream == events.StreamTouches {
		a.touches = max(a.touches, sequence)
	} else {
		a.position = max(a.position, sequence)
	}
}

// changed gathers users, and announces their tenants at once if that is urgent.
func (a *announcer) changed(users []activesessions.UserRef, urgent bool) {
	if a.bus == nil || len(users) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	tenants := map[string]struct{}{}
	for _, u := range users {
		if a.waiting[u.Tenant] == nil {
			a.waiting[u.Tenant] = map[string]struct{}{}
		}
		// One more than fits is enough to know that there were more.
		if len(a.waiting[u.Tenant]) <= events.MaxChangedUsers {
			a.waiting[u.Tenant][u.User] = struct{}{}
		}
		tenants[u.Tenant] = struct{}{}
	}
	if urgent {
		for tenant := range tenants {
			a.announce(tenant)
		}
	}
}

func (a *announcer) flush() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for tenant := range a.waiting {
		a.announce(tenant)
	}
}

// announce is called with the lock held, so that announcements leave in the
// order of their positions; publishing only fills a buffer.
func (a *announcer) announce(tenant string) {
	change := events.Changed{Tenant: tenant}
	if users := a.waiting[tenant]; len(users) > events.MaxChangedUsers {
		change.All = true
	} else {
		for user := range users {
			change.Users = append(change.Users, user)
		}
		slices.Sort(change.Users)
	}
	delete(a.waiting, tenant)
	a.publish(change)
}

// everybody announces that no user of a tenant need be what they were.
func (a *announcer) everybody(tenant string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.publish(events.Changed{Tenant: tenant, All: true})
}

// publish is called with the lock held.
func (a *announcer) publish(change events.Changed) {
	a.number++
	change.Source, change.Number, change.Position, change.Touches = a.source, a.number, a.position, a.touches
	data, err := json.Marshal(change)
	if err == nil {
		err = a.bus.Publish(events.ChangedSubject(change.Tenant), data)
	}
	if err != nil {
		a.failures.Inc()
		a.logger.Warn("a change was not announced", "error", err)
	}
}
