package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/posse-pos/posse/events"
)

// errBusy and errClosed say why nobody can watch.
var (
	errBusy   = errors.New("query: too many watchers")
	errClosed = errors.New("query: changes are not being heard")
)

// hub hears the announcements of all tenants and hands them to watchers.
type hub struct {
	config Config
	closed chan struct{} // closed when run has ended

	mu       sync.Mutex
	running  bool
	feeds    map[string]*feed
	base     mark // where a feed starts that is not there yet
	seen     mark // greatest announced
	watchers int
	slow     func() // called for each watcher that was cut off
}

func newHub(config Config) *hub {
	return &hub{config: config, closed: make(chan struct{}), feeds: map[string]*feed{}, slow: func() {}}
}

// run hears announcements until the context ends; watchers end with it.
func (h *hub) run(ctx context.Context) error {
	defer close(h.closed)
	stop, err := h.config.Bus.Subscribe(events.ChangedWildcard, h.receive)
	if err != nil {
		return fmt.Errorf("query: listen to changes: %w", err)
	}
	defer stop()
	h.open(ctx)
	var before mark
	for h.pause(ctx) {
		before = h.poll(ctx, before)
	}
	return nil
}

func (h *hub) pause(ctx context.Context) bool {
	timer := time.NewTimer(h.config.PollEvery)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// open lets watchers in once it is known from where on nothing is missed.
func (h *hub) open(ctx context.Context) {
	var base mark
	for {
		fresh, err := h.config.Store.Freshness(ctx)
		if err == nil {
			base = mark{fresh.Position, fresh.Touches}
			break
		}
		h.config.Logger.Warn("the read model's position is not known yet", "error", err)
		if !h.pause(ctx) {
			return
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.base, h.seen, h.running = h.base.join(base), h.seen.join(base), true
	for _, f := range h.feeds {
		f.base = f.base.join(base)
	}
}

// poll finds changes whose announcement got lost: what the read model showed at
// the last look has to have been announced by now. Touches do not count; the
// next one makes up for a lost one.
func (h *hub) poll(ctx context.Context, before mark) mark {
	fresh, err := h.config.Store.Freshness(ctx)
	if err != nil {
		return before
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if before.position > h.seen.position {
		h.seen = h.seen.join(before)
		h.base = h.base.join(before)
		for _, f := range h.feeds {
			f.add(change{mark: before, all: true})
		}
	}
	return mark{fresh.Position, fresh.Touches}
}

func (h *hub) receive(subject string, data []byte) {
	var announced events.Changed
	if err := json.Unmarshal(data, &announced); err != nil || events.ChangedSubject(announced.Tenant) != subject {
		h.config.Logger.Warn("announcement dropped: it is malformed or of another tenant than its subject")
		return
	}
	c := change{
		mark:  mark{announced.Position, announced.Touches},
		users: announced.Users[:min(len(announced.Users), events.MaxChangedUsers)],
		all:   announced.All || len(announced.Users) > events.MaxChangedUsers,
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = h.seen.join(c.mark)
	f := h.feed(announced.Tenant)
	watching := len(f.watchers)
	f.add(c)
	for range watching - len(f.watchers) {
		h.slow()
	}
}

// feed returns a tenant's feed. The caller holds the lock.
func (h *hub) feed(tenant string) *feed {
	f := h.feeds[tenant]
	if f == nil {
		h.forgetOne()
		f = newFeed(h.base)
		h.feeds[tenant] = f
	}
	return f
}

// forgetOne makes room: any feed that nobody watches will do.
func (h *hub) forgetOne() {
	if len(h.feeds) < h.config.MaxTenants {
		return
	}
	for tenant, f := range h.feeds {
		if len(f.watchers) == 0 {
			h.base = h.base.join(f.now)
			delete(h.feeds, tenant)
			return
		}
	}
}

// watching is how a watch begins.
type watching struct {
	*watcher

	from   mark
	missed []change
	reset  bool // more was missed than is known
}

// watch follows a tenant's changes from now on, which the read model is known to
// show.
func (h *hub) watch(tenant, user string, now mark) (*watching, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case !h.running:
		return nil, errClosed
	case h.watchers >= h.config.MaxWatchers:
		return nil, errBusy
	}
	f := h.feed(tenant)
	f.now = f.now.join(now)
	w := newWatcher(f, user)
	f.watchers[w] = struct{}{}
	h.watchers++
	return &watching{watcher: w, from: f.now}, nil
}

// resume adds what a new watcher missed after a mark. What arrived since watch
// may be among it and come twice.
func (h *hub) resume(w *watching, after mark) {
	h.mu.Lock()
	defer h.mu.Unlock()
	missed, complete := w.feed.since(after)
	// An id from beyond now is of a read model that is no more.
	w.reset = !complete || !w.feed.now.covers(after)
	for _, c := range missed {
		if c, ok := w.visible(c); ok {
			w.missed = append(w.missed, c)
		}
	}
}

func (h *hub) unwatch(w *watching) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(w.feed.watchers, w.watcher)
	h.watchers--
}

func (h *hub) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.watchers
}

func (h *hub) ready() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.running
}
