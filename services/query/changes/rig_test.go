package changes

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wire is a bus on which a test speaks.
type wire struct {
	mu      sync.Mutex
	handle  func(subject string, data []byte)
	fails   error
	stopped bool
	number  uint64
}

func (w *wire) Subscribe(subject string, handle func(subject string, data []byte)) (func(), error) {
	if subject != events.ChangedWildcard {
		return nil, errors.New("unexpected subject " + subject)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.handle = handle
	return func() { w.mu.Lock(); defer w.mu.Unlock(); w.stopped = true }, w.fails
}

// say announces something as the next announcement of a projector, unless that is
// in it.
func (w *wire) say(c events.Changed) {
	if c.Source == "" {
		w.number++
		c.Source, c.Number = "projector", w.number
	}
	data, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	w.handle(events.ChangedSubject(c.Tenant), data)
}

// shown is how far the read model is.
type shown struct {
	mu    sync.Mutex
	fresh activesessions.Freshness
	fails error
}

func (s *shown) Freshness(context.Context) (activesessions.Freshness, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fresh, s.fails
}

func (s *shown) set(position uint64, fails error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fresh.Position, s.fails = position, fails
}

// rig is a hub in a time of its own.
type rig struct {
	*testing.T

	hub   *Hub
	wire  *wire
	store *shown
	slow  int
	stop  func()
}

func hearing(t *testing.T, config Config, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{T: t, wire: &wire{}, store: &shown{}}
		r.store.set(10, nil)
		config.Store, config.Bus, config.Logger = r.store, r.wire, slog.New(slog.DiscardHandler)
		config.Slow = func() { r.slow++ }
		r.hub = NewHub(config)
		if r.hub.Ready() {
			t.Error("it hears before it runs")
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.hub.Run(ctx) }()
		r.stop = sync.OnceFunc(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		test(r)
		r.stop()
	})
}

func (r *rig) watch(tenant, user string) *Watching {
	r.Helper()
	w, err := r.hub.Watch(tenant, user, Mark{Position: r.store.fresh.Position})
	if err != nil {
		r.Fatal(err)
	}
	return w
}

// next is the change that has come; one of nobody if there is none.
func next(w *Watching) Change {
	select {
	case c := <-w.Changes():
		return c
	default:
		return Change{}
	}
}
