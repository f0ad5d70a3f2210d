package screen_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/services/query/changes"
)

// live runs a test in a time of its own, with a hub that hears announcements.
func live(t *testing.T, test func(r *rig), change ...change) {
	t.Helper()
	inBubble(t, func(r *rig) { r.hear(func(func()) { test(r) }) }, change...)
}

// hear has the hub run during a test, which may stop it.
func (r *rig) hear(test func(stop func())) {
	r.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.hub.Run(ctx) }()
	synctest.Wait()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			r.Error(err)
		}
	})
	defer stop()
	test(stop)
}

// pass lets time go by.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// announce says that the sessions of users are not what they were.
func (r *rig) announce(users ...string) { r.announceOf(events.Changed{Tenant: "shop", Users: users}) }

func (r *rig) announceOf(c events.Changed) {
	r.Helper()
	fresh := r.fresh()
	c.Position, c.Touches = fresh.Position, fresh.Touches
	r.wire.announce(c)
}

func (r *rig) fresh() activesessions.Freshness {
	r.Helper()
	fresh, err := r.store.Freshness(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	return fresh
}

// now is the mark of what a page that is drawn now shows.
func (r *rig) now() string { return changes.MarkOf(r.fresh()).String() }

// touched records and announces that sessions made requests.
func (r *rig) touched(keys ...string) {
	r.Helper()
	users := make([]string, 0, len(keys))
	facts := make([]events.Event, 0, len(keys))
	for _, key := range keys {
		user, _, _ := strings.Cut(key, "-")
		users = append(users, user)
		facts = append(facts, events.Touched{
			Key: events.Key{Tenant: "shop", User: user, Session: key}, EventTimestamp: events.TimestampOf(r.clock.now()),
		})
	}
	r.record(events.StreamTouches, facts...)
	r.announce(users...)
}

// follower is a browser that reads a stream.
type follower struct {
	rig    *rig
	cancel context.CancelFunc
	done   chan struct{}
	header http.Header

	mu       sync.Mutex
	status   int
	events   []string
	beats    int
	deadline time.Time
	blocked  chan struct{} // while it is there, writes wait for it
}

// follow opens a stream. An address without "since" gets that of a page that is
// drawn now.
func (r *rig) follow(who, query string) *follower {
	r.Helper()
	if !strings.Contains(query, "since=") {
		query += "&since=" + r.now()
	}
	return r.open(who, query)
}

func (r *rig) open(who, query string) *follower {
	r.Helper()
	ctx, cancel := context.WithCancel(r.Context())
	f := &follower{rig: r, cancel: cancel, done: make(chan struct{}), header: http.Header{}}
	request := httptest.NewRequestWithContext(ctx, http.MethodGet, "/live?"+query, http.NoBody)
	request.Header.Set("X-Test-Who", who)
	request.Header.Set("Accept", "text/event-stream")
	request.Header.Set("Accept-Encoding", "gzip")
	go func() {
		defer close(f.done)
		r.handler.ServeHTTP(f, request)
	}()
	synctest.Wait()
	return f
}

func (f *follower) Header() http.Header { return f.header }

func (f *follower) WriteHeader(status int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status = status
}

func (f *follower) Flush() {}

func (f *follower) SetWriteDeadline(at time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deadline = at
	return nil
}

func (f *follower) SetReadDeadline(time.Time) error { return nil }

func (f *follower) Write(data []byte) (int, error) {
	f.mu.Lock()
	blocked := f.blocked
	f.mu.Unlock()
	if blocked != nil {
		<-blocked
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for line := range strings.SplitSeq(string(data), "\n") {
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			f.events = append(f.events, name)
		} else if line == ":" {
			f.beats++
		}
	}
	return len(data), nil
}

// block has writes wait until the returned function is called.
func (f *follower) block() (unblock func()) {
	blocked := make(chan struct{})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.blocked = blocked
	return func() {
		f.mu.Lock()
		f.blocked = nil
		f.mu.Unlock()
		close(blocked)
		synctest.Wait()
	}
}

// heard returns the events since the last call.
func (f *follower) heard() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	heard := f.events
	f.events = nil
	return heard
}

// hears fails the test unless just these events came since the last look.
func (f *follower) hears(what string, want ...string) {
	f.rig.Helper()
	synctest.Wait()
	equal(f.rig.T, what, f.heard(), want...)
}

// over reports whether the stream has ended.
func (f *follower) over() bool {
	synctest.Wait()
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// close hangs up.
func (f *follower) close() {
	f.cancel()
	<-f.done
}
