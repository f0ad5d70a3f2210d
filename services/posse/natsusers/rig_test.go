package natsusers_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nkeys"
	"go.uber.org/goleak"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/natstest"
	"github.com/posse-pos/posse/services/posse/natsusers/natsuserstest"
	"github.com/posse-pos/posse/services/projector/relay"
)

// shipped is where the configurations are that posse comes with.
const shipped = "../../../deployments/nats"

// patience is how long something may take that has to happen.
const patience = 2 * time.Minute

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, natstest.Leaks()...) }

// site is a directory with the shipped configurations and the keys of all users.
type site struct {
	t   *testing.T
	dir string
	// creds are files of credentials, by user, that connect takes in place of keys.
	creds map[string]string
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir()}
	_, err := natsuserstest.Copy(shipped, s.dir, "nats.conf", "hub.conf", "leaf.conf", "accounts.conf")
	s.must(err)
	return s
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// start starts a server with a shipped configuration, of which only addresses and
// paths are replaced.
func (s *site) start(config string, options ...natstest.Option) *natstest.Server {
	s.t.Helper()
	return natstest.Start(s.t, append([]natstest.Option{natstest.WithConfigFile(filepath.Join(s.dir, config))}, options...)...)
}

// rewrite replaces what stands once in a configuration.
func (s *site) rewrite(config, old, replacement string) {
	s.t.Helper()
	file := filepath.Join(s.dir, config)
	text, err := os.ReadFile(file)
	s.must(err)
	if n := strings.Count(string(text), old); n != 1 {
		s.t.Fatalf("%s has %q %d times", config, old, n)
	}
	s.must(os.WriteFile(file, []byte(strings.Replace(string(text), old, replacement, 1)), 0o600))
}

func (s *site) seed(user string) string { return filepath.Join(s.dir, user+".nk") }

// inbox is where a user awaits answers.
func (s *site) inbox(user string) string {
	s.t.Helper()
	seed, err := os.ReadFile(s.seed(user))
	s.must(err)
	key, err := nkeys.ParseDecoratedUserNKey(seed)
	s.must(err)
	public, err := key.PublicKey()
	s.must(err)
	return events.InboxPrefix(public)
}

// connect connects as a user, as a role of posse does.
func (s *site) connect(address, user string) *bus.Conn {
	s.t.Helper()
	config := bus.Config{URL: address, NKeyFile: s.seed(user), Logger: quiet()}
	if file := s.creds[user]; file != "" {
		config.CredsFile, config.NKeyFile = file, ""
	}
	conn, err := bus.Connect(s.t.Context(), config)
	s.must(err)
	s.t.Cleanup(conn.Close)
	return conn
}

// declare makes the streams, as a recorder.
func (s *site) declare(address string) *natslog.Log {
	s.t.Helper()
	log, err := natslog.New(s.t.Context(), s.connect(address, "recorder"), natslog.Config{Logger: quiet()})
	s.must(err)
	return log
}

// relay relays, as a projector, until the test ends.
func (s *site) relay(address string) {
	s.t.Helper()
	log, err := natslog.Open(s.t.Context(), s.connect(address, "projector"), natslog.Config{Logger: quiet()})
	s.must(err)
	relaying, err := relay.New(relay.Config{Log: log, Logger: quiet()})
	s.must(err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	var running sync.WaitGroup
	running.Go(func() { _ = relaying.Run(ctx) })
	s.t.Cleanup(func() { cancel(); running.Wait() })
}

// revoke has a session end.
func (s *site) revoke(log *natslog.Log, key events.Key) {
	s.t.Helper()
	now := time.Now()
	_, err := log.Append(s.t.Context(), []events.Envelope{{
		ID: "revoke-" + key.Session, Source: "/test", Time: now,
		Event: events.Revoked{
			Key: key, EventTimestamp: events.TimestampOf(now), Cause: events.CauseTerminate,
			InitiatingEntity: events.InitiatedByAdmin, Expires: events.TimestampOf(now.Add(time.Hour)), CommandID: "c",
		},
	}}, nil)
	s.must(err)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	natstest.Eventually(t, patience, what, so)
}
