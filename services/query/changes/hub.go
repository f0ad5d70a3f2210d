// Package changes hears what the projector announces and tells watchers whose
// sessions changed, in order, after the read model shows it. What a watcher
// missed while it was away is told again as long as it is remembered.
package changes

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
)

// ErrBusy and ErrClosed say why nobody can watch.
var (
	ErrBusy   = errors.New("changes: too many watchers")
	ErrClosed = errors.New("changes: changes are not being heard")
)

// Subscriber is what changes are heard on; *bus.Conn is one.
type Subscriber interface {
	Subscribe(subject string, handle func(subject string, data []byte)) (stop func(), err error)
}

// Config of a Hub.
type Config struct {
	// Store says how far the read model is. Required.
	Store interface {
		Freshness(ctx context.Context) (activesessions.Freshness, error)
	}
	// Bus to hear changes on. Required.
	Bus Subscriber
	// MaxWatchers is how many may watch at once; 0 means 10,000.
	MaxWatchers int
	// MaxTenants is for how many tenants recent changes are remembered; 0 means
	// 1,000. Those of others are forgotten first, and who resumes starts afresh.
	MaxTenants int
	// PollEvery is how often the read model's position is looked at for changes
	// whose announcement got lost; 0 means 2 s.
	PollEvery time.Duration
	// Slow is called for each watcher that was cut off because it did not keep up;
	// nil means that nobody hears of it.
	Slow func()
	// Logger; nil means slog.Default().
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	c.MaxWatchers = cmp.Or(c.MaxWatchers, 10_000)
	c.MaxTenants = cmp.Or(c.MaxTenants, 1000)
	c.PollEvery = cmp.Or(c.PollEvery, 2*time.Second)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if c.Slow == nil {
		c.Slow = func() {}
	}
	return c
}

// Hub hears the announcements of all tenants and hands them to watchers.
type Hub struct {
	config Config
	closed chan struct{} // closed when Run has ended

	mu       sync.Mutex
	running  bool
	feeds    map[string]*feed
	base     Mark   // where a feed starts that is not there yet
	seen     Mark   // greatest announced
	source   string // of the announcement heard last
	number   uint64 // and its number
	watchers int
}

// NewHub returns a hub that lets watchers in while Run runs.
func NewHub(config Config) *Hub {
	return &Hub{config: config.withDefaults(), closed: make(chan struct{}), feeds: map[string]*feed{}}
}

// Run hears announcements until the context ends; watchers end with it.
func (h *Hub) Run(ctx context.Context) error {
	defer h.close()
	stop, err := h.config.Bus.Subscribe(events.ChangedWildcard, h.receive)
	if err != nil {
		return fmt.Errorf("changes: listen: %w", err)
	}
	defer stop()
	h.open(ctx)
	var before Mark
	for h.pause(ctx) {
		before = h.poll(ctx, before)
	}
	return nil
}

// close ends every watch.
func (h *Hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running = false
	close(h.closed)
}

func (h *Hub) pause(ctx context.Context) bool {
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
func (h *Hub) open(ctx context.Context) {
	var base Mark
	for {
		fresh, err := h.config.Store.Freshness(ctx)
		if err == nil {
			base = MarkOf(fresh)
			break
		}
		h.config.Logger.Warn("the read model's position is not known yet", "error", err)
		if !h.pause(ctx) {
			return
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.base, h.seen, h.running = h.base.Join(base), h.seen.Join(base), true
	for _, f := range h.feeds {
		f.base = f.base.Join(base)
	}
}

// poll finds changes whose announcement got lost and was followed by no other:
// what the read model showed at the last look has to have been announced by now.
// Touches do not count; the next one makes up for a lost one.
func (h *Hub) poll(ctx context.Context, before Mark) Mark {
	fresh, err := h.config.Store.Freshness(ctx)
	if err != nil {
		return before
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if before.Position > h.seen.Position {
		h.lost(before)
	}
	return MarkOf(fresh)
}

// lost has everybody read again: nobody knows what was announced up to a mark. The
// caller holds the lock.
func (h *Hub) lost(until Mark) {
	h.seen = h.seen.Join(until)
	h.base = h.base.Join(until)
	for _, f := range h.feeds {
		h.tell(f, Change{Mark: until, All: true})
	}
}

// tell adds a change to a feed. The caller holds the lock.
func (h *Hub) tell(f *feed, c Change) {
	watching := len(f.watchers)
	f.add(c)
	for range watching - len(f.watchers) {
		h.config.Slow()
	}
}

func (h *Hub) receive(subject string, data []byte) {
	var announced events.Changed
	if err := json.Unmarshal(data, &announced); err != nil || events.ChangedSubject(announced.Tenant) != subject {
		h.config.Logger.Warn("announcement dropped: it is malformed or of another tenant than its subject")
		return
	}
	c := Change{
		Mark:  Mark{announced.Position, announced.Touches},
		Users: announced.Users[:min(len(announced.Users), events.MaxChangedUsers)],
		All:   announced.All || len(announced.Users) > events.MaxChangedUsers,
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.follows(&announced) {
		h.lost(c.Mark)
	}
	h.seen = h.seen.Join(c.Mark)
	h.tell(h.feed(announced.Tenant), c)
}

// follows reports whether an announcement is the one after the last, and notes
// it. One of another projector is not, or of one that was started anew: it may
// have ended between a commit and its announcement. The caller holds the lock.
func (h *Hub) follows(announced *events.Changed) bool {
	first := h.source == ""
	follows := announced.Source == h.source && announced.Number == h.number+1
	h.source, h.number = announced.Source, announced.Number
	return first || follows
}

// feed returns a tenant's feed. The caller holds the lock.
func (h *Hub) feed(tenant string) *feed {
	f := h.feeds[tenant]
	if f == nil {
		h.forgetOne()
		f = newFeed(h.base)
		h.feeds[tenant] = f
	}
	return f
}

// forgetOne makes room: any feed that nobody watches will do.
func (h *Hub) forgetOne() {
	if len(h.feeds) < h.config.MaxTenants {
		return
	}
	for tenant, f := range h.feeds {
		if len(f.watchers) == 0 {
			h.base = h.base.Join(f.now)
			delete(h.feeds, tenant)
			return
		}
	}
}

// Count returns how many are watching.
func (h *Hub) Count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.watchers
}

// Ready reports whether changes are being heard.
func (h *Hub) Ready() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.running
}

// Closed is closed when the hub hears nothing any more.
func (h *Hub) Closed() <-chan struct{} { return h.closed }
