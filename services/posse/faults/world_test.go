package faults_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
	"github.com/posse-pos/posse/pkg/gateway/tokens"
	"github.com/posse-pos/posse/pkg/natstest"
	"github.com/posse-pos/posse/pkg/netfault"
	"github.com/posse-pos/posse/services/projector/relay"
)

const (
	bound = gateway.DefaultStaleAfter
	grace = 4 * time.Second
	// outage is longer than any policy that ends admits: what is seen then stays.
	outage = bound + grace + 3*time.Second
	// healing is how long a gateway may take to be fresh after a fault, alone.
	healing = 5 * time.Second
	// lifetime of tokens is shorter than what a wrong clock is off by.
	lifetime = 4 * time.Minute
	// exact is how exactly a gateway knows what was when, by the clocks of others.
	exact = 300 * time.Millisecond
	wrong = 5 * time.Minute

	tenant   = "shop"
	patience = 4 * time.Minute
)

// policies are the columns of the table.
var policies = []gateway.StalePolicy{gateway.FailClosed, gateway.Grace(grace), gateway.FailOpen}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, natstest.Leaks()...) }

// world is a log on a NATS server, a relay, and a gateway of each policy behind one
// line, each with a till that never rests, while an administrator signs one device
// out after the other.
type world struct {
	t      *testing.T
	server *natstest.Server
	line   *netfault.Line
	log    *natslog.Log
	issuer *gatewaytest.Issuer
	logger *slog.Logger

	relayOff  atomic.Int64 // how wrong the relay's clock is
	relayed   *prometheus.Registry
	stopRelay func()

	ours  time.Duration // how wrong the gateways' clock is
	tills []*till
	// began is when the fault did, and struck when it had, if that is before.
	began, struck time.Time
	// behind is how late the relay was at most in a burst.
	behind time.Duration

	mu      sync.Mutex
	revoked []*ended
}

// ended is a session that was ended.
type ended struct {
	token string
	acked time.Time // when that was acknowledged
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, server: natstest.Start(t), issuer: gatewaytest.NewIssuer(), logger: logger()}
	address := w.server.Server().Addr().String()
	var err error
	w.line, err = netfault.Listen("127.0.0.1:0", func() string { return address })
	w.must(err)
	t.Cleanup(w.line.Close)
	w.line.Open()
	conn, err := bus.Connect(t.Context(), bus.Config{URL: w.server.URL(), Name: "faults", Logger: w.logger})
	w.must(err)
	t.Cleanup(conn.Close)
	w.log, err = natslog.New(t.Context(), conn, natslog.Config{Source: "/posse/faults", Logger: w.logger})
	w.must(err)
	w.startRelay()
	return w
}

// logger is silent unless POSSE_TEST_LOG is set.
func logger() *slog.Logger {
	if os.Getenv("POSSE_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) startRelay() {
	ctx, cancel := context.WithCancel(w.t.Context())
	w.relayed = prometheus.NewRegistry()
	metrics := w.relayed
	var running sync.WaitGroup
	running.Go(func() {
		_ = relay.Run(ctx, relay.Config{ // it ends with its context alone
			Log: w.log, Logger: w.logger, Metrics: metrics, Now: func() time.Time { return time.Now().Add(time.Duration(w.relayOff.Load())) },
		})
	})
	w.stopRelay = sync.OnceFunc(func() { cancel(); running.Wait() })
	w.t.Cleanup(w.stopRelay)
}

// watchRelay returns how old the newest tick was at most until stop is called.
func (w *world) watchRelay() (stop func() time.Duration) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	oldest := make(chan time.Duration, 1)
	go func() {
		var most float64
		defer func() { oldest <- time.Duration(most * float64(time.Second)) }()
		ticker := time.NewTicker(pace)
		defer ticker.Stop()
		for {
			families, err := w.relayed.Gather()
			if err != nil {
				return
			}
			for _, family := range families {
				if family.GetName() == "posse_relay_tick_age_seconds" {
					most = max(most, family.GetMetric()[0].GetGauge().GetValue())
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	}()
	return func() time.Duration { cancel(); return <-oldest }
}

// open starts a gateway of each policy, and a till at each.
func (w *world) open() {
	w.t.Helper()
	for _, policy := range policies {
		till := &till{world: w, policy: policy, snapshot: filepath.Join(w.t.TempDir(), "snapshot")}
		till.begin()
		w.tills = append(w.tills, till)
	}
	w.began = time.Now()
	var running sync.WaitGroup
	ctx, cancel := context.WithCancel(w.t.Context())
	w.t.Cleanup(func() {
		cancel()
		running.Wait()
		for _, till := range w.tills {
			till.gateway().Close()
		}
	})
	running.Go(func() { w.signOut(ctx) })
	for _, till := range w.tills {
		running.Go(func() { till.work(ctx) })
	}
	w.wait("the gateway has loaded and is ready", func(s *till) bool {
		return s.gateway().Stats().Loaded && s.gateway().Ready() == nil
	})
}

func (w *world) now() time.Time { return time.Now().Add(w.ours) }

func (w *world) newGateway(policy gateway.StalePolicy, snapshot string) *gateway.Gateway {
	w.t.Helper()
	verifier, err := tokens.NewVerifier(tokens.Config{
		Preset: tokens.Posse, Issuer: gatewaytest.Name, JWKS: w.issuer.JWKS(), Now: w.now,
	})
	w.must(err)
	g, err := gateway.New(context.WithoutCancel(w.t.Context()), gateway.Config{
		NATS: gateway.NATS{URL: "nats://" + w.line.Address()}, Verifier: verifier, Stale: policy,
		SnapshotFile: snapshot, Logger: w.logger.With("policy", policy.String()), Now: w.now,
	})
	w.must(err)
	return g
}

func (w *world) token(session string) string {
	now := time.Now()
	return w.issuer.Sign(map[string]any{
		"iss": gatewaytest.Name, "sub": "anna", "tenant": tenant, "sid": session, "type": tokens.TypeAccess,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(lifetime).Unix(),
	})
}

// signOut ends a session every quarter of a second. One that the log does not take,
// since it is away, is tried until it does, as people would.
func (w *world) signOut(ctx context.Context) {
	ticker := time.NewTicker(250 * time.Millisecond)
	defer ticker.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		session := fmt.Sprint("session-", i)
		ended := &ended{token: w.token(session)}
		for w.end(ctx, session) != nil {
			if ctx.Err() != nil {
				return
			}
		}
		ended.acked = time.Now()
		w.mu.Lock()
		w.revoked = append(w.revoked, ended)
		w.mu.Unlock()
	}
}

// end ends sessions of one user, in one append.
func (w *world) end(ctx context.Context, sessions ...string) error {
	facts := make([]events.Envelope, 0, len(sessions))
	for _, session := range sessions {
		now := time.Now()
		facts = append(facts, events.Envelope{
			ID: "end-" + session, Source: "/posse/faults", Time: now,
			Event: events.Revoked{
				Key:            events.Key{Tenant: tenant, User: "anna", Session: session},
				EventTimestamp: events.TimestampOf(now), Expires: events.TimestampOf(now.Add(time.Hour)),
				Cause: events.CauseTerminate, InitiatingEntity: events.InitiatedByAdmin, CommandID: "faults",
			},
		})
	}
	_, err := w.log.Append(ctx, facts, nil)
	return err
}

// endMany ends so many sessions, as fast as the log takes it.
func (w *world) endMany(name string, n int) {
	w.t.Helper()
	const batch = events.MaxActiveSessions
	for first := 0; first < n; first += batch {
		sessions := make([]string, 0, batch)
		for i := first; i < min(first+batch, n); i++ {
			sessions = append(sessions, fmt.Sprint(name, "-", i))
		}
		w.must(w.end(w.t.Context(), sessions...))
	}
}

// live is how many revocations a gateway finds: a million, which takes three gateways
// minutes on a small machine, when POSSE_TEST_LIVE says so, as `make faults` does.
func live(t *testing.T) int {
	t.Helper()
	set := os.Getenv("POSSE_TEST_LIVE")
	if set == "" {
		return 100_000
	}
	n, err := strconv.Atoi(set)
	if err != nil {
		t.Fatalf("POSSE_TEST_LIVE is %q, want a number", set)
	}
	return n
}

// fill stores so many revocations of others, as a relay does.
func (w *world) fill(n int) {
	w.t.Helper()
	const batch = 1000
	expires := events.TimestampOf(time.Now().Add(time.Hour))
	for first := 0; first < n; first += batch {
		revocations := make([]events.Revocation, batch)
		for i := range revocations {
			revocations[i] = events.Revocation{
				Tenant: "chain", Session: fmt.Sprint("old-", first+i), Expires: expires, Cause: events.CauseLogoutAll, Sequence: 1,
			}
		}
		w.must(w.log.PublishRevocations(w.t.Context(), "", revocations))
	}
}

// endedSince returns the sessions that were ended, but for the first so many.
func (w *world) endedSince(n int) []*ended {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.revoked[n:]
}

// fresh waits until every gateway is, and fails if one takes longer than promised.
func (w *world) fresh(healed time.Time) {
	w.t.Helper()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for _, till := range w.tills {
		for stats := till.gateway().Stats(); stats.Stale || !stats.Loaded; stats = till.gateway().Stats() {
			if time.Since(healed) > patience {
				w.t.Fatalf("%s: the gateway never is fresh again", till.policy)
			}
			<-poll.C
		}
		took := time.Since(healed).Round(time.Millisecond)
		w.t.Logf("%s: fresh %v after the fault", till.policy, took)
		if took > healing {
			w.t.Errorf("%s: the gateway is fresh %v after the fault, want %v at most", till.policy, took, healing)
		}
	}
}
