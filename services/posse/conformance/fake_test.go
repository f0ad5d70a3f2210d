package conformance_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
	sdk "github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/tokens"
)

// fake is a gateway that keeps the contract but for one fault, which its name says.
// It is not the SDK, so that the SDK's ways are not taken for the contract's.
type fake struct {
	fault    string
	env      map[string]string
	bound    time.Duration
	verifier *tokens.Verifier
	conn     *nats.Conn
	js       jetstream.JetStream
	verified sync.Map // what good tokens say: it is examined for minutes, and they are good for hours

	mu         sync.Mutex
	denied     map[string]bool
	heard      map[string]time.Time // when, of those that were revoked while it was fresh
	freshUntil time.Time
	whole      bool // the stream was read once
	applied    uint64
	touched    map[string]bool
	place      uint64 // in the stream
	burst      int    // revocations since the last look around
	reconnects uint64 // of the connection when the stream was last read
	backs      uint64 // reconnections that were seen
	backAt     time.Time
	server     string // the id of the first one
	unreadable bool   // as of the newest reading
	missed     bool   // something, which happens once
}

// startFake starts a gateway that ends with ctx. The function waits for that.
func startFake(ctx context.Context, fault string, env []string) (wait func(), err error) {
	f := &fake{fault: fault, env: map[string]string{}, denied: map[string]bool{}, heard: map[string]time.Time{}, touched: map[string]bool{}}
	for _, variable := range env {
		name, value, _ := strings.Cut(variable, "=")
		f.env[name] = value
	}
	if f.bound, err = time.ParseDuration(f.env["POSSE_STALE_AFTER"]); err != nil {
		return nil, err
	}
	if f.fault == "takes four times its bound" {
		f.bound *= 4
	}
	listener, err := net.Listen("tcp", f.env["POSSE_LISTEN"])
	if err != nil {
		return nil, err
	}
	config := tokens.Config{Preset: tokens.Posse, Issuer: f.env["POSSE_ISSUER"], JWKSURL: f.env["POSSE_JWKS"], Logger: slog.New(slog.DiscardHandler)}
	if f.fault == "takes a refresh token" {
		config.Preset = ""
		config.Claims = tokens.ClaimPaths{Tenant: "tenant", User: "sub", Session: "sid"}
	}
	//nolint:contextcheck // it fetches keys until it is closed
	if f.verifier, err = tokens.NewVerifier(config); err != nil {
		return nil, err
	}
	f.conn, err = nats.Connect(f.env["POSSE_NATS"], nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectWait(50*time.Millisecond), nats.ReconnectJitter(0, 0), nats.ReconnectBufSize(-1),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		return nil, err
	}
	if f.js, err = jetstream.New(f.conn); err != nil {
		return nil, err
	}
	server := &http.Server{Handler: f, ReadHeaderTimeout: time.Minute}
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(listener) })
	running.Go(func() { f.follow(ctx) })
	running.Go(func() { f.report(ctx) })
	return func() {
		server.Close()
		running.Wait()
		f.conn.Close()
		f.verifier.Close()
	}, nil
}

func (f *fake) follow(ctx context.Context) {
	for ctx.Err() == nil {
		_ = f.load(ctx)
		rest(ctx, 50*time.Millisecond)
		if f.fault == "is dead after a restart" && f.lost() {
			<-ctx.Done()
		}
	}
}

// lost reports whether the server was restarted: it has another id then.
func (f *fake) lost() bool {
	id := f.conn.ConnectedServerId()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.server == "" {
		f.server = id
	}
	return id != "" && id != f.server
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// load reads the stream until something is wrong with it.
func (f *fake) load(ctx context.Context) error {
	reconnects := f.conn.Stats().Reconnects
	config, l := f.consumer(reconnects)
	call, cancel := context.WithTimeout(ctx, time.Second)
	consumer, err := f.js.CreateConsumer(call, events.StreamRevocations, config)
	cancel()
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullHeartbeat(500*time.Millisecond), jetstream.WithMessagesErrOnMissingHeartbeat(true))
	if err != nil {
		return err
	}
	defer messages.Stop()
	f.begun(l)
	if f.fault == "is ready at the end of the stream" && consumer.CachedInfo().NumPending == 0 {
		f.settle(l, time.Now())
	}
	return f.read(ctx, messages, l)
}

// consumer is how the stream is read, and what is known before it is.
func (f *fake) consumer(reconnects uint64) (jetstream.ConsumerConfig, *loading) {
	subject := events.RevocationSubject(f.env["POSSE_TENANT"])
	if f.fault == "knows sessions by their id alone" {
		subject = events.SubjectRevocations
	}
	config := jetstream.ConsumerConfig{
		FilterSubjects: []string{subject, events.SubjectTick}, AckPolicy: jetstream.AckNonePolicy,
		MemoryStorage: true, InactiveThreshold: time.Minute,
	}
	l := &loading{set: map[string]bool{}, began: time.Now(), last: ^uint64(0), reconnects: reconnects}
	f.mu.Lock()
	defer f.mu.Unlock()
	wasAway := f.whole && reconnects != f.reconnects
	continues := false
	switch f.fault {
	case "forgets when it reconnects":
		l.forgets, continues = wasAway, wasAway
	case "misses what came while it was first away":
		if wasAway && !f.missed {
			l.misses = true
			maps.Copy(l.set, f.denied)
			config.DeliverPolicy, config.FilterSubjects = jetstream.DeliverLastPolicy, nil
		}
	case "follows a new stream from its old place":
		maps.Copy(l.set, f.denied)
		continues = f.place > 0
	}
	if continues {
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, f.place+1
	}
	return config, l
}

// begun takes note that the stream is read.
func (f *fake) begun(l *loading) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reconnects, f.missed = l.reconnects, f.missed || l.misses
	if l.forgets {
		f.denied = map[string]bool{}
	}
}

func (f *fake) read(ctx context.Context, messages jetstream.MessagesContext, l *loading) error {
	looked := time.Time{}
	for ctx.Err() == nil {
		if f.conn.Stats().Reconnects != l.reconnects {
			return errors.New("NATS was away")
		}
		if time.Since(looked) > 200*time.Millisecond {
			looked = time.Now()
			if err := f.look(ctx, l); err != nil {
				return err
			}
		}
		m, err := messages.Next(jetstream.NextMaxWait(50 * time.Millisecond))
		if errors.Is(err, nats.ErrTimeout) {
			continue
		}
		if err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		f.apply(l, m.Subject(), m.Data(), meta.Sequence.Stream)
		if f.fault == "is ready at the end of the stream" && meta.NumPending == 0 && !f.wasWhole() {
			f.settle(l, time.Now())
		}
	}
	return ctx.Err()
}

// loading is one reading of the stream.
type loading struct {
	set        map[string]bool
	began      time.Time
	created    time.Time
	asked      time.Time
	last       uint64 // where the stream ended when it was asked
	unreadable bool
	forgets    bool
	misses     bool
	reconnects uint64
}

// look asks the stream where it ends.
func (f *fake) look(ctx context.Context, l *loading) error {
	f.mu.Lock()
	place := f.place
	f.burst = 0
	hangs := time.Since(l.began) > 2*f.bound && time.Since(f.freshUntil) > f.bound
	f.mu.Unlock()
	if hangs {
		return errors.New("nothing comes")
	}
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	asked := time.Now()
	stream, err := f.js.Stream(ctx, events.StreamRevocations)
	if err != nil {
		return nil // a tick does not count then, and that is all
	}
	info := stream.CachedInfo()
	if l.created.IsZero() {
		l.created = info.Created
	}
	another := !info.Created.Equal(l.created) || info.State.LastSeq < place
	if another && f.fault != "follows a new stream from its old place" {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.place, f.freshUntil = 0, time.Time{}
		return errors.New("it is another stream")
	}
	l.asked, l.last = asked, info.State.LastSeq
	return nil
}

func (f *fake) apply(l *loading, subject string, data []byte, sequence uint64) {
	f.mu.Lock()
	f.place = sequence
	f.mu.Unlock()
	if subject != events.SubjectTick {
		f.revoke(l, subject, data)
		return
	}
	tick, err := events.DecodeTick(data)
	if err != nil || l.unreadable {
		return
	}
	then := l.asked
	if f.fault == "takes every tick for news" && f.wasWhole() {
		then = time.Now()
	} else if sequence <= l.last {
		return
	}
	if f.fault != "overlooks that a tick is late" {
		then = then.Add(-time.Duration(tick.Written-tick.AsOf) * time.Millisecond)
	}
	f.settle(l, then)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.applied = tick.Sequence
}

func (f *fake) revoke(l *loading, subject string, data []byte) {
	r, err := events.DecodeRevocation(subject, data)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.burst++
	switch {
	case err != nil && f.fault == "skips what it cannot read":
	case err != nil:
		l.unreadable, f.unreadable, f.freshUntil = true, true, time.Time{}
	case f.fault == "skips causes it does not know" && strings.Contains(string(r.Cause), "later"):
	case f.fault == "drops what comes too fast" && f.whole && f.burst > 110 && f.burst < 150:
	default:
		if f.whole && !f.denied[r.Session] {
			f.heard[r.Session] = time.Now()
		}
		l.set[r.Session], f.denied[r.Session] = true, true
	}
}

func (f *fake) wasWhole() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.whole
}

// settle says that everything that was revoked by then was read.
func (f *fake) settle(l *loading, then time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault == "comes back eight seconds late" && f.dawdles() {
		return
	}
	f.denied, f.whole, f.unreadable = l.set, true, false
	if until := then.Add(f.bound); until.After(f.freshUntil) {
		f.freshUntil = until
	}
}

// dawdles reports whether it is not eight seconds ago that NATS was seen to be back.
func (f *fake) dawdles() bool {
	if reconnects := f.conn.Stats().Reconnects; reconnects != f.backs {
		f.backs = reconnects
		if f.whole {
			f.backAt = time.Now()
		}
	}
	return time.Since(f.backAt) < 8*time.Second
}

func (f *fake) fresh() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return time.Now().Before(f.freshUntil)
}

// ServeHTTP decides.
func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token := sdk.BearerToken(r)
	claims, err := f.verify(r.Context(), token)
	reason := f.tokenReason(token, claims, err)
	if reason == sdk.ReasonAllowed {
		reason = f.sessionReason(claims)
	}
	if reason == sdk.ReasonAllowed {
		f.admit(w, r, claims)
		return
	}
	f.refuse(w, reason)
}

func (f *fake) tokenReason(token string, claims tokens.Claims, err error) sdk.Reason {
	switch {
	case token == "":
		return sdk.ReasonMissing
	case errors.Is(err, tokens.ErrKeysUnavailable) && f.fault != "blames the token for missing keys":
		return sdk.ReasonKeys
	case errors.Is(err, tokens.ErrExpired):
		return sdk.ReasonExpired
	case err != nil, claims.Tenant != f.env["POSSE_TENANT"] && f.fault != "serves every tenant":
		return sdk.ReasonInvalid
	default:
		return sdk.ReasonAllowed
	}
}

func (f *fake) sessionReason(claims tokens.Claims) sdk.Reason {
	f.mu.Lock()
	denied, whole, unreadable, heard := f.denied[claims.Session], f.whole, f.unreadable, f.heard[claims.Session]
	f.mu.Unlock()
	if f.fault == "refuses three seconds late" && time.Since(heard) < 3*time.Second {
		denied = false
	}
	fresh := f.fresh() ||
		f.fault == "takes silence for peace" && whole && !unreadable && f.conn.IsConnected() ||
		f.fault == "admits before it knows anything" && !whole
	switch {
	case f.fault == "answers 503 to everybody while stale" && !fresh:
		return sdk.ReasonStale
	case denied, f.fault == "signs everybody out while NATS is away" && !fresh && !f.conn.IsConnected():
		return sdk.ReasonRevoked
	case !fresh:
		return sdk.ReasonStale
	default:
		return sdk.ReasonAllowed
	}
}

func (f *fake) verify(ctx context.Context, token string) (tokens.Claims, error) {
	if known, ok := f.verified.Load(token); ok {
		claims, _ := known.(tokens.Claims)
		return claims, nil
	}
	claims, err := f.verifier.Verify(token)
	if errors.Is(err, tokens.ErrKeysUnavailable) {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		if f.verifier.Refresh(ctx) == nil {
			claims, err = f.verifier.Verify(token)
		}
	}
	if err == nil {
		f.verified.Store(token, claims)
	}
	return claims, err
}

func (f *fake) refuse(w http.ResponseWriter, reason sdk.Reason) {
	status := http.StatusUnauthorized
	if reason == sdk.ReasonStale || reason == sdk.ReasonKeys {
		status = http.StatusServiceUnavailable
		if f.fault != "does not say when to come again" {
			w.Header().Set("Retry-After", "1")
		}
	} else if f.fault != "does not challenge" {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	sdk.Problem{Title: "Refused", Status: status, Reason: reason}.Write(w)
}

func (f *fake) admit(w http.ResponseWriter, r *http.Request, claims tokens.Claims) {
	for name, id := range map[string]string{sdk.HeaderSession: claims.Session, sdk.HeaderUser: claims.User, sdk.HeaderTenant: claims.Tenant} {
		w.Header().Set(name, url.PathEscape(id))
		if given := r.Header.Get(name); given != "" && f.fault == "believes what the client says it is" {
			w.Header().Set(name, given)
		}
	}
	f.touch(events.Key{Tenant: claims.Tenant, User: claims.User, Session: claims.Session})
	if r.Header.Get("Accept") == "text/event-stream" {
		f.carry(w, r, claims)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// carry passes an event stream on until its session is revoked.
func (f *fake) carry(w http.ResponseWriter, r *http.Request, claims tokens.Claims) {
	upstream, err := url.Parse(f.env["POSSE_UPSTREAM"])
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	if f.fault != "leaves streams open" {
		watching.Go(func() {
			for ctx.Err() == nil && f.sessionReason(claims) != sdk.ReasonRevoked {
				rest(ctx, 20*time.Millisecond)
			}
			cancel()
		})
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(upstream) }, ErrorLog: log.New(io.Discard, "", 0)}
	defer func() { _ = recover() }() // it panics when its connection is to be dropped
	proxy.ServeHTTP(w, r.WithContext(ctx))
}

func (f *fake) touch(key events.Key) {
	f.mu.Lock()
	known := f.touched[key.Session]
	f.touched[key.Session] = true
	f.mu.Unlock()
	if known && f.fault != "touches with every request" {
		return
	}
	now := time.Now()
	message, err := events.Encode(events.Envelope{
		ID: nats.NewInbox(), Source: "/fake", Time: now, Event: events.Touched{Key: key, EventTimestamp: events.TimestampOf(now)},
	})
	if err == nil {
		_ = f.conn.PublishMsg(&nats.Msg{Subject: message.Subject, Header: message.Header, Data: message.Data})
	}
	if f.fault == "writes history" {
		_ = f.conn.Publish("pos.v1.session.shop.anna", nil)
	}
}

func (f *fake) report(ctx context.Context) {
	for ctx.Err() == nil {
		f.mu.Lock()
		status := events.GatewayStatus{
			Gateway: "fake", Applied: f.applied, At: events.TimestampOf(time.Now()),
			Stale: !time.Now().Before(f.freshUntil), Entries: len(f.denied), Interval: 0.2,
		}
		f.mu.Unlock()
		if f.fault == "reports that it applied nothing" {
			status.Applied = 0
		}
		if data, err := json.Marshal(status); err == nil {
			_ = f.conn.Publish(events.GatewayStatusSubject(status.Gateway), data)
		}
		rest(ctx, 200*time.Millisecond)
	}
}
