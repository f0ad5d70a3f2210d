package gateway_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
)

// hub is a NATS server with posse's streams, and a relay that is stepped or runs.
type hub struct {
	t      *testing.T
	dir    string
	server *server.Server
	port   int
	conn   *nats.Conn
	js     jetstream.JetStream

	mu       sync.Mutex
	sequence uint64
	last     map[string]uint64
	created  events.Timestamp
}

func startHub(t *testing.T) *hub {
	t.Helper()
	h := &hub{t: t, dir: t.TempDir(), port: server.RANDOM_PORT, last: map[string]uint64{}, created: events.TimestampOf(time.Now())}
	h.start()
	t.Cleanup(h.stop)
	h.declare()
	return h
}

func (h *hub) start() {
	h.t.Helper()
	var err error
	h.server, err = server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: h.port, JetStream: true, StoreDir: h.dir, NoLog: true, NoSigs: true,
		Users: []*server.User{{Username: "posse", Password: "posse"}, gatewayUser()},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.server.Start()
	if !h.server.ReadyForConnections(10 * time.Second) {
		h.t.Fatal("nats-server does not start")
	}
	h.port = h.server.Addr().(*net.TCPAddr).Port
	if h.conn, err = nats.Connect("nats://posse:posse@127.0.0.1:" + strconv.Itoa(h.port)); err != nil {
		h.t.Fatal(err)
	}
	if h.js, err = jetstream.New(h.conn); err != nil {
		h.t.Fatal(err)
	}
}

// gatewayUser may do what the package's documentation says, and nothing else.
func gatewayUser() *server.User {
	return &server.User{Username: "gateway", Password: "gateway", Permissions: &server.Permissions{
		Publish: &server.SubjectPermission{Allow: []string{
			"$JS.API.STREAM.INFO.POS_REVOCATIONS",
			"$JS.API.STREAM.MSG.GET.POS_REVOCATIONS",
			"$JS.API.CONSUMER.CREATE.POS_REVOCATIONS.*.pos.v1.revocation.*",
			"$JS.API.CONSUMER.MSG.NEXT.POS_REVOCATIONS.*",
			"$JS.API.CONSUMER.DELETE.POS_REVOCATIONS.*",
			"pos.v1.touch.>",
			"pos.v1.gateway.*",
		}},
		Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>", "pos.v1.live.>", "pos.v1.rollcall"}},
	}}
}

func (h *hub) stop() {
	h.conn.Close()
	h.server.Shutdown()
	h.server.WaitForShutdown()
}

func (h *hub) declare() {
	h.t.Helper()
	for _, cfg := range []jetstream.StreamConfig{
		{
			Name: events.StreamRevocations, Subjects: []string{events.SubjectRevocations, events.SubjectTick},
			AllowMsgTTL: true, AllowRollup: true, AllowDirect: true,
			RePublish: &jetstream.RePublish{Source: "pos.v1.>", Destination: events.SubjectLive},
		},
		{Name: events.StreamTouches, Subjects: []string{events.SubjectTouches}, MaxMsgsPerSubject: 1, AllowDirect: true},
	} {
		eventually(h.t, "the stream "+cfg.Name, func() bool {
			_, err := h.js.CreateStream(h.t.Context(), cfg)
			var refused *jetstream.APIError
			if err != nil && (!errors.As(err, &refused) || refused.ErrorCode != errStoreBusy) {
				h.t.Fatal(err)
			}
			return err == nil
		})
	}
}

// errStoreBusy is what a server answers that has not removed yet what a stream of the
// same name left behind.
const errStoreBusy jetstream.ErrorCode = 10049

// recreate makes the stream of revocations anew.
func (h *hub) recreate() {
	h.t.Helper()
	if err := h.js.DeleteStream(h.t.Context(), events.StreamRevocations); err != nil {
		h.t.Fatal(err)
	}
	if err := h.js.DeleteStream(h.t.Context(), events.StreamTouches); err != nil {
		h.t.Fatal(err)
	}
	h.declare()
}

func (h *hub) revoke(tenant, session string) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sequence++
	h.publish(events.RevocationSubject(tenant), events.Revocation{
		Tenant: tenant, Session: session, Expires: events.TimestampOf(time.Now().Add(time.Hour)),
		Cause: events.CauseTerminate, Sequence: h.sequence, Previous: h.last[tenant],
	})
	h.last[tenant] = h.sequence
	return h.sequence
}

func (h *hub) tick() {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := events.TimestampOf(time.Now())
	h.publish(events.SubjectTick, events.Tick{
		Sequence: h.sequence, AsOf: now, Written: now, StreamCreated: h.created, Relay: "relay-1",
	})
}

func (h *hub) publish(subject string, payload any) {
	data, err := json.Marshal(payload)
	if err != nil {
		h.t.Error(err)
		return
	}
	message := nats.NewMsg(subject)
	message.Data = data
	if subject == events.SubjectTick {
		message.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
	}
	if _, err := h.js.PublishMsg(context.WithoutCancel(h.t.Context()), message); err != nil {
		h.t.Logf("publish on %s: %v", subject, err)
	}
}

// relay ticks until it is stopped.
func (h *hub) relay() (stop func()) {
	done := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		ticker := time.NewTicker(200 * time.Millisecond)
		defer ticker.Stop()
		for {
			h.tick()
			select {
			case <-done:
				return
			case <-ticker.C:
			}
		}
	})
	return sync.OnceFunc(func() { close(done); ended.Wait() })
}

// rigNATS is a gateway that follows a hub.
func (h *hub) gateway(change func(*gateway.Config)) *rig {
	h.t.Helper()
	r := &rig{issuer: gatewaytest.NewIssuer()}
	cfg := gateway.Config{
		NATS: gateway.NATS{URL: "nats://gateway:gateway@127.0.0.1:" + strconv.Itoa(h.port)}, Verifier: r.issuer.Verifier(),
		Stale: gateway.FailClosed, StaleAfter: 2 * time.Second, Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if r.Gateway, err = gateway.New(h.t.Context(), cfg); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(r.Close)
	return r
}

func TestNATSFromRevocationToRefusal(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	for i := range 3000 {
		h.revoke("shop", fmt.Sprint("old-", i))
	}
	defer h.relay()()
	statuses := make(chan *nats.Msg, 1000)
	subscription, err := h.conn.ChanSubscribe(events.GatewayStatusWildcard, statuses)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = subscription.Unsubscribe() }()
	r := h.gateway(nil).ready(t)
	if s := r.Stats(); s.Entries != 3000 || s.Applied != 3000 {
		t.Errorf("Stats after the load = %+v", s)
	}
	token := r.issuer.Token("shop", "anna", "s1")
	if got := r.check(token); got != gateway.ReasonAllowed {
		t.Fatalf("Check = %s", got)
	}
	if err := h.conn.Publish(events.SubjectRollCall, nil); err != nil {
		t.Fatal(err)
	}
	sequence := h.revoke("shop", "s1")
	eventually(t, "refused", func() bool { return r.check(token) == gateway.ReasonRevoked })
	for m := range statuses {
		var s events.GatewayStatus
		if err := json.Unmarshal(m.Data, &s); err != nil {
			t.Fatal(err)
		}
		if s.Applied >= sequence {
			break
		}
	}
}

func TestNATSFollowsOneTenantOnly(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	h.revoke("other", "s1")
	h.revoke("shop", "s1")
	defer h.relay()()
	r := h.gateway(func(cfg *gateway.Config) { cfg.Tenant = "shop" }).ready(t)
	if s := r.Stats(); s.Entries != 1 {
		t.Errorf("Stats = %+v, want the one entry of the tenant", s)
	}
}

// TestNATSEmptyStream has no message at all before the first tick.
func TestNATSEmptyStream(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	asked := h.requests("$JS.API.STREAM.MSG.GET." + events.StreamRevocations)
	r := h.gateway(nil)
	eventually(t, "the gateway reads the stream", func() bool { return asked() > 0 })
	if r.Ready() == nil {
		t.Error("ready without a tick")
	}
	defer h.relay()()
	r.ready(t)
}

// requests counts what the server is asked on a subject from now on.
func (h *hub) requests(subject string) (count func() int) {
	h.t.Helper()
	var n atomic.Int64
	subscription, err := h.conn.Subscribe(subject, func(*nats.Msg) { n.Add(1) })
	if err == nil {
		err = h.conn.Flush()
	}
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = subscription.Unsubscribe() })
	return func() int { return int(n.Load()) }
}

// republish says whether the stream publishes again what it stores. What it stores
// while it does not is lost to those who listen.
func (h *hub) republish(yes bool) {
	h.t.Helper()
	stream, err := h.js.Stream(h.t.Context(), events.StreamRevocations)
	if err != nil {
		h.t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	config.RePublish = nil
	if yes {
		config.RePublish = &jetstream.RePublish{Source: "pos.v1.>", Destination: events.SubjectLive}
	}
	if _, err := h.js.UpdateStream(h.t.Context(), config); err != nil {
		h.t.Fatal(err)
	}
}

// TestNATSLostOnTheWay has a revocation stored that is not heard, and then
// something that is.
func TestNATSLostOnTheWay(t *testing.T) {
	t.Parallel()
	for name, then := range map[string]func(*hub){
		"a tick":                               (*hub).tick,
		"another revocation":                   func(h *hub) { h.revoke("shop", "s2") },
		"a revocation of another tenant":       func(h *hub) { h.revoke("other", "s2"); h.tick() },
		"many that are lost, and then another": func(h *hub) { h.lose(100); h.revoke("shop", "s2") },
	} {
		for _, tenant := range []string{"", "shop"} {
			t.Run(name+", to a gateway of "+cmp.Or(tenant, "all"), func(t *testing.T) {
				t.Parallel()
				h := startHub(t)
				h.revoke("shop", "old")
				stop := h.relay()
				r := h.gateway(func(cfg *gateway.Config) { cfg.Tenant, cfg.StaleAfter = tenant, time.Hour }).ready(t)
				stop()
				h.republish(false)
				h.revoke("shop", "s1")
				h.republish(true)
				then(h)
				eventually(t, "refused", func() bool {
					return r.check(r.issuer.Token("shop", "anna", "s1")) == gateway.ReasonRevoked
				})
			})
		}
	}
}

// lose stores revocations that nobody hears.
func (h *hub) lose(n int) {
	h.republish(false)
	for i := range n {
		h.revoke("shop", fmt.Sprint("lost-", i))
	}
	h.republish(true)
}

// TestNATSOthersAreNoReasonToLoad has many revocations of other tenants between
// those of a gateway, which are not heard and yet nothing is lost.
func TestNATSOthersAreNoReasonToLoad(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	h.revoke("shop", "old")
	stop := h.relay()
	r := h.gateway(func(cfg *gateway.Config) { cfg.Tenant = "shop" }).ready(t)
	stop()
	loads := h.requests("$JS.API.STREAM.INFO." + events.StreamRevocations)
	for i := range 20 {
		h.revoke("other", fmt.Sprint("o", i))
		if i%2 == 0 {
			h.tick()
		}
		session := fmt.Sprint("s", i)
		sequence := h.revoke("shop", session)
		eventually(t, "refused", func() bool { return r.check(r.issuer.Token("shop", "anna", session)) == gateway.ReasonRevoked })
		eventually(t, "confirmed", func() bool { return r.Stats().Applied >= sequence })
	}
	if n := loads(); n > 0 {
		t.Errorf("the stream was loaded %d times", n)
	}
	if r.Ready() != nil {
		t.Errorf("the gateway is %v", r.Ready())
	}
}

// TestNATSForgedLiveMessages come from somebody who may publish what only the
// stream does, and does not know where it ends. They do not make a gateway fresh.
func TestNATSForgedLiveMessages(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	h.revoke("shop", "old")
	stop := h.relay()
	r := h.gateway(nil).ready(t)
	stop()
	eventually(t, "stale", func() bool { return r.check(r.issuer.Token("shop", "anna", "s1")) == gateway.ReasonStale })
	now := events.TimestampOf(time.Now())
	tick, err := json.Marshal(events.Tick{
		Sequence: 1, AsOf: now, Written: now, StreamCreated: h.created, Relay: "relay-1",
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.conn.Publish(events.LiveSubject(events.SubjectTick), tick); err != nil { // without headers
		t.Fatal(err)
	}
	asked := h.requests("$JS.API.STREAM.INFO." + events.StreamRevocations)
	for range 3 {
		before := asked()
		forged := nats.NewMsg(events.LiveSubject(events.SubjectTick))
		forged.Data = tick
		forged.Header.Set(jetstream.StreamHeader, events.StreamRevocations)
		forged.Header.Set(jetstream.SubjectHeader, events.SubjectTick)
		forged.Header.Set(jetstream.SequenceHeader, "4711")
		forged.Header.Set(jetstream.LastSequenceHeader, "0")
		if err := h.conn.PublishMsg(forged); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the stream is asked", func() bool { return asked() > before })
		if got := r.check(r.issuer.Token("shop", "anna", "s1")); got != gateway.ReasonStale {
			t.Errorf("after a forged tick a token is %s", got)
		}
	}
}

// TestNATSAnswersAreNotLive stores a revocation in another stream, with the headers of
// one that was heard, and has the server answer with it where gateways listen.
func TestNATSAnswersAreNotLive(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	h.revoke("shop", "old")
	defer h.relay()()
	r := h.gateway(nil).ready(t)
	_, err := h.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "ELSE", Subjects: []string{"else"}, AllowDirect: true})
	if err != nil {
		t.Fatal(err)
	}
	forged := nats.NewMsg("else")
	if forged.Data, err = json.Marshal(events.Revocation{
		Tenant: "shop", Session: "s1", Expires: events.TimestampOf(time.Now().Add(time.Hour)), Cause: events.CauseTerminate, Sequence: 2, Previous: 1,
	}); err != nil {
		t.Fatal(err)
	}
	live := events.LiveSubject(events.RevocationSubject("shop"))
	for name, value := range map[string]string{
		jetstream.StreamHeader: events.StreamRevocations, jetstream.SubjectHeader: events.RevocationSubject("shop"),
		jetstream.SequenceHeader: strconv.FormatUint(h.newest()+1, 10), jetstream.LastSequenceHeader: "1",
	} {
		forged.Header.Set(name, value)
	}
	if _, err := h.js.PublishMsg(t.Context(), forged); err != nil {
		t.Fatal(err)
	}
	heard, err := h.conn.SubscribeSync(live)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.conn.PublishRequest("$JS.API.DIRECT.GET.ELSE", live, []byte(`{"seq":1}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := heard.NextMsg(5 * time.Second); err != nil {
		t.Fatalf("nobody heard it: %v", err)
	}
	h.revoke("shop", "s2") // what is behind it is heard
	eventually(t, "refused", func() bool { return r.check(r.issuer.Token("shop", "anna", "s2")) == gateway.ReasonRevoked })
	if got := r.check(r.issuer.Token("shop", "anna", "s1")); got != gateway.ReasonAllowed {
		t.Errorf("after a forged revocation a token is %s", got)
	}
}

// newest is the sequence of the newest message that gateways may have heard.
func (h *hub) newest() uint64 {
	h.t.Helper()
	stream, err := h.js.Stream(h.t.Context(), events.StreamRevocations)
	if err != nil {
		h.t.Fatal(err)
	}
	return stream.CachedInfo().State.LastSeq
}

func TestNATSStreamMadeAnew(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	for i := range 50 {
		h.revoke("shop", fmt.Sprint("old-", i))
	}
	stop := h.relay()
	r := h.gateway(nil).ready(t)
	token := r.issuer.Token("shop", "anna", "s1")
	stop()
	h.recreate()
	h.revoke("shop", "s1")
	defer h.relay()()
	eventually(t, "refused by the new stream", func() bool { return r.check(token) == gateway.ReasonRevoked })
	eventually(t, "the new stream is all there is", func() bool { return r.Stats().Entries == 1 && r.Ready() == nil })
}

// TestNATSStreamMadeAnewAndSoonAsLong is of a stream that stands at the gateway's
// position again before the gateway wonders that nothing is new.
func TestNATSStreamMadeAnewAndSoonAsLong(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	for i := range 5 {
		h.revoke("shop", fmt.Sprint("old-", i))
	}
	stop := h.relay()
	r := h.gateway(nil).ready(t)
	stop()
	h.recreate()
	for i := range 50 {
		h.revoke("shop", fmt.Sprint("s", i))
	}
	defer h.relay()()
	eventually(t, "the first of the new stream is refused", func() bool {
		return r.check(r.issuer.Token("shop", "anna", "s0")) == gateway.ReasonRevoked
	})
	eventually(t, "the new stream is all there is", func() bool { return r.Stats().Entries == 50 && r.Ready() == nil })
}

// TestNATSPurgedWhileItIsLoaded removes revocations of which the gateway's consumer has
// said that they come.
func TestNATSPurgedWhileItIsLoaded(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	h.revokeAll("shop", 20_000)
	line := newLine(t, h.port)
	r := h.gateway(func(cfg *gateway.Config) { cfg.NATS.URL = "nats://gateway:gateway@" + line.address() })
	eventually(t, "some are loaded", func() bool { return r.Stats().Entries > 100 })
	line.freeze()
	stream, err := h.js.Stream(t.Context(), events.StreamRevocations)
	if err == nil {
		err = stream.Purge(t.Context(), jetstream.WithPurgeSubject(events.SubjectRevocations))
	}
	if err != nil {
		t.Fatal(err)
	}
	line.thaw()
	defer h.relay()()
	eventually(t, "ready", func() bool { return r.Ready() == nil })
	if r.Stats().Entries == 20_000 {
		t.Error("all were loaded before any was removed")
	}
}

func TestNATSServerRestarts(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	stop := h.relay()
	r := h.gateway(nil).ready(t)
	token := r.issuer.Token("shop", "anna", "s1")
	stop()
	h.stop()
	eventually(t, "stale", func() bool { return r.check(token) == gateway.ReasonStale })
	h.start()
	h.revoke("shop", "s1")
	defer h.relay()()
	restarted := time.Now()
	eventually(t, "refused", func() bool { return r.check(token) == gateway.ReasonRevoked })
	eventually(t, "ready", func() bool { return r.Ready() == nil })
	t.Logf("fresh %v after the server was back", time.Since(restarted).Round(time.Millisecond))
}

// TestNATSFrozenLine is a line on which nothing moves, and then everything.
func TestNATSFrozenLine(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	defer h.relay()()
	line := newLine(t, h.port)
	r := h.gateway(func(cfg *gateway.Config) { cfg.NATS.URL = "nats://gateway:gateway@" + line.address() }).ready(t)
	token := r.issuer.Token("shop", "anna", "s1")
	line.freeze()
	h.revoke("shop", "s1")
	eventually(t, "stale", func() bool { return r.check(token) == gateway.ReasonStale })
	line.thaw()
	thawed := time.Now()
	eventually(t, "refused", func() bool { return r.check(token) == gateway.ReasonRevoked })
	eventually(t, "ready", func() bool { return r.Ready() == nil })
	t.Logf("fresh %v after the line moved again", time.Since(thawed).Round(time.Millisecond))
}

// TestNATSAwayIsLogged unless the gateway closes the connection itself.
func TestNATSAwayIsLogged(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	stop := h.relay()
	logged := &lines{}
	closed := make(chan struct{})
	r := h.gateway(func(cfg *gateway.Config) {
		cfg.Logger = slog.New(slog.NewTextHandler(logged, nil))
		cfg.NATS.Options = []nats.Option{nats.ClosedHandler(func(*nats.Conn) { close(closed) })}
	}).ready(t)
	stop()
	h.stop()
	eventually(t, "the lost line is logged", func() bool { return logged.count("NATS is away") == 1 })
	h.start()
	eventually(t, "the line is back", func() bool { return logged.count("NATS is back") == 1 })
	r.Close()
	<-closed // which nats.go calls after the other handlers
	if n := logged.count("NATS is away"); n != 1 {
		t.Errorf("logged %d times that NATS is away, and it was once:\n%s", n, logged)
	}
}

func TestNATSTouches(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	defer h.relay()()
	r := h.gateway(func(cfg *gateway.Config) { cfg.TouchInterval = 300 * time.Millisecond }).ready(t)
	token := r.issuer.Token("shop", "anna", "s1")
	if _, err := r.Admit(token, gateway.Origin{IP: "203.0.113.9", UserAgent: "curl/8"}); err != nil {
		t.Fatal(err)
	}
	key := events.Key{Tenant: "shop", User: "anna", Session: "s1"}
	first := h.touch(key, func(events.Touched) bool { return true })
	if first.Personal.IP != "203.0.113.9" || first.Personal.UserAgent != "curl/8" {
		t.Errorf("touch = %+v", first)
	}
	before := time.Now().UnixMilli()
	if _, err := r.Admit(token, gateway.Origin{}); err != nil {
		t.Fatal(err)
	}
	h.touch(key, func(e events.Touched) bool { return int64(e.EventTimestamp) >= before })
}

// touch waits for a session's touch in the stream.
func (h *hub) touch(key events.Key, want func(events.Touched) bool) (touched events.Touched) {
	h.t.Helper()
	stream, err := h.js.Stream(h.t.Context(), events.StreamTouches)
	if err != nil {
		h.t.Fatal(err)
	}
	eventually(h.t, "touch in the stream", func() bool {
		message, err := stream.GetLastMsgForSubject(h.t.Context(), events.TouchSubject(key))
		if err != nil {
			return false
		}
		envelope, err := events.Decode(events.Message{Subject: message.Subject, Header: message.Header, Data: message.Data})
		if err != nil {
			h.t.Fatal(err)
		}
		touched = envelope.Event.(events.Touched)
		return want(touched)
	})
	return touched
}

func TestNATSTouchesWaitForTheServer(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	stop := h.relay()
	r := h.gateway(func(cfg *gateway.Config) {
		cfg.TouchInterval, cfg.Stale = 50*time.Millisecond, gateway.FailOpen
	}).ready(t)
	stop()
	h.stop()
	keys := map[events.Key]int64{}
	for i := range 100 {
		key := events.Key{Tenant: "shop", User: "anna", Session: fmt.Sprint("s", i)}
		token := r.issuer.Token(key.Tenant, key.User, key.Session)
		for range 3 {
			keys[key] = time.Now().UnixMilli()
			if _, err := r.Admit(token, gateway.Origin{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	h.start()
	for key, at := range keys {
		h.touch(key, func(e events.Touched) bool { return int64(e.EventTimestamp) >= at })
	}
}

// line is a TCP proxy that can stop moving bytes without closing anything.
type line struct {
	listener net.Listener
	target   string
	mu       sync.Mutex
	moving   *sync.Cond
	frozen   bool
	conns    []net.Conn
	workers  sync.WaitGroup
}

func newLine(t *testing.T, port int) *line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{listener: listener, target: "127.0.0.1:" + strconv.Itoa(port)}
	l.moving = sync.NewCond(&l.mu)
	l.workers.Go(l.accept)
	t.Cleanup(func() {
		listener.Close()
		l.thaw()
		l.mu.Lock()
		for _, c := range l.conns {
			c.Close()
		}
		l.mu.Unlock()
		l.workers.Wait()
	})
	return l
}

func (l *line) address() string { return l.listener.Addr().String() }

func (l *line) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		upstream, err := net.Dial("tcp", l.target)
		if err != nil {
			client.Close()
			continue
		}
		l.mu.Lock()
		l.conns = append(l.conns, client, upstream)
		l.mu.Unlock()
		l.workers.Go(func() { l.move(client, upstream) })
		l.workers.Go(func() { l.move(upstream, client) })
	}
}

func (l *line) move(to, from net.Conn) {
	defer to.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		l.mu.Lock()
		for l.frozen {
			l.moving.Wait()
		}
		l.mu.Unlock()
		if _, werr := to.Write(buffer[:n]); err != nil || werr != nil {
			return
		}
	}
}

func (l *line) freeze() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.frozen = true
}

func (l *line) thaw() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.frozen = false
	l.moving.Broadcast()
}

// lines is a log to look at while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *lines) count(message string) int { return strings.Count(l.String(), message) }
