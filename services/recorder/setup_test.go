package recorder_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/pkg/token"
	"github.com/posse-pos/posse/services/recorder"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock stands still until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// shop is a recorder with everything around it.
type shop struct {
	*recorder.Recorder

	t     *testing.T
	log   *memlog
	clock *clock
}

var nine = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func open(t *testing.T, change ...func(*recorder.Config)) *shop {
	t.Helper()
	s := &shop{t: t, clock: &clock{at: nine}}
	s.log = newMemlog(s.clock.now)
	s.Recorder = s.another(change...)
	return s
}

// another is a second recorder on the same log.
func (s *shop) another(change ...func(*recorder.Config)) *recorder.Recorder {
	s.t.Helper()
	config := recorder.Config{Log: s.log, Reader: s.log.store, Now: s.clock.now, Logger: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&config)
	}
	r, err := recorder.New(config)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func minting(t *testing.T, at *clock) func(*recorder.Config) {
	t.Helper()
	ring, err := token.OpenKeyring(token.KeyringConfig{Dir: t.TempDir(), Now: at.now})
	if err != nil {
		t.Fatal(err)
	}
	issuer := &token.Issuer{Keyring: ring, Issuer: "https://pos.example", Now: at.now}
	return func(c *recorder.Config) {
		c.Issuer = issuer
		c.Now = at.now
	}
}

func openMinting(t *testing.T, change ...func(*recorder.Config)) *shop {
	t.Helper()
	s := &shop{t: t, clock: &clock{at: nine}}
	s.log = newMemlog(s.clock.now)
	s.Recorder = s.another(append([]func(*recorder.Config){minting(t, s.clock)}, change...)...)
	return s
}

func backend(key ...string) commands.Caller {
	c := commands.Caller{Principal: principal.Principal{Kind: principal.Backend, Tenant: "shop", KeyID: "k1"}, IP: "192.0.2.9"}
	for _, k := range key {
		c.IdempotencyKey = k
	}
	return c
}

func user(name, session string, key ...string) commands.Caller {
	c := commands.Caller{Principal: principal.Principal{Kind: principal.User, Tenant: "shop", User: name, Session: session}, IP: "192.0.2.1"}
	for _, k := range key {
		c.IdempotencyKey = k
	}
	return c
}

func admin(key ...string) commands.Caller {
	c := user("root", "root-1", key...)
	c.Principal.Kind = principal.Admin
	return c
}

func auditor() commands.Caller {
	c := user("audrey", "audrey-1")
	c.Principal.Kind = principal.Auditor
	return c
}

// signIn signs a user in under session ids, in order.
func (s *shop) signIn(name string, sessions ...string) {
	s.t.Helper()
	for _, id := range sessions {
		if _, err := s.Login(s.t.Context(), commands.Login{Caller: backend(), User: name, Session: id}); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *shop) mustEnd(c commands.EndSession) commands.Ended {
	s.t.Helper()
	ended, err := s.EndSession(s.t.Context(), c)
	if err != nil {
		s.t.Fatal(err)
	}
	return ended
}

func (s *shop) mustEndUser(c commands.EndUser) commands.Ended {
	s.t.Helper()
	ended, err := s.EndUser(s.t.Context(), c)
	if err != nil {
		s.t.Fatal(err)
	}
	return ended
}

// revoked returns the ends in a user's history.
func (s *shop) revoked(name string) []events.Revoked {
	var found []events.Revoked
	for _, e := range s.log.events("shop", name) {
		if r, ok := e.(events.Revoked); ok {
			found = append(found, r)
		}
	}
	return found
}

func (s *shop) active(name string) int {
	s.t.Helper()
	rows, _, err := s.log.store.History(context.Background(), "shop", name, s.clock.now())
	if err != nil {
		s.t.Fatal(err)
	}
	n := 0
	for i := range rows {
		if rows[i].Active(s.clock.now()) {
			n++
		}
	}
	return n
}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
}

func cancelled(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}
