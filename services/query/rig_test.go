package query_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/activesessions/memstore"
	"github.com/posse-pos/posse/pkg/activesessions/pgstore"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/pkg/natstest"
	"github.com/posse-pos/posse/pkg/pgtest"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/pkg/principal/principaltest"
	"github.com/posse-pos/posse/services/query"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Stopping(m)) }

// store is a read model that can be written and read.
type store interface {
	activesessions.Writer
	activesessions.Reader
}

// inEveryStore runs a test once per kind of read model.
func inEveryStore(t *testing.T, test func(*rig)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		test(setup(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		s, err := pgstore.Open(t.Context(), pgstore.Config{URL: pgtest.New(t), Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		test(setupWith(t, s))
	})
}

// rig is a query service over a read model that the test writes.
type rig struct {
	*testing.T

	server  *natstest.Server
	store   store
	bus     *bus.Conn
	service *query.Service
	callers *principaltest.Callers
	url     string
	at      map[string]eventlog.Position
	now     time.Time
}

func setup(t *testing.T, change ...func(*query.Config)) *rig {
	t.Helper()
	return setupWith(t, memstore.New(memstore.Config{}), change...)
}

func setupWith(t *testing.T, s store, change ...func(*query.Config)) *rig {
	t.Helper()
	server := natstest.Start(t)
	conn, err := bus.Connect(t.Context(), bus.Config{URL: server.URL(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	r := &rig{
		T: t, server: server, store: s, bus: conn, now: time.Now().UTC().Truncate(time.Millisecond),
		at: map[string]eventlog.Position{},
		callers: principaltest.New(map[string]principal.Principal{
			"admin":   {Kind: principal.Admin, Tenant: "shop", User: "anna", Session: "anna-1", Roles: []string{"admin"}},
			"user":    {Kind: principal.User, Tenant: "shop", User: "carl", Session: "carl-1"},
			"auditor": {Kind: principal.Auditor, Tenant: "shop", User: "otto", Session: "otto-1"},
			"backend": {Kind: principal.Backend, Tenant: "shop", KeyID: "key-1"},
			"foreign": {Kind: principal.Admin, Tenant: "other", User: "anna", Session: "other-anna"},
		}),
	}
	config := query.Config{
		Store: r.store, Bus: conn, Authenticator: r.callers, Logger: slog.New(slog.DiscardHandler),
		PollEvery: time.Hour, CheckEvery: 20 * time.Millisecond,
	}
	for _, c := range change {
		c(&config)
	}
	r.service, err = query.New(config)
	if err != nil {
		t.Fatal(err)
	}
	r.serve(config)
	return r
}

func (r *rig) serve(config query.Config) {
	r.Helper()
	router, api := httpapi.New(httpapi.Config{Title: "test", Version: "1", Authenticator: r.callers, Logger: config.Logger})
	r.service.Register(api)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.service.Run(ctx) }()
	web := httptest.NewServer(router)
	r.url = web.URL
	r.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			r.Errorf("Run ended with %v", err)
		}
		web.Close()
	})
	eventually(r.T, "changes are heard", func() bool { return r.service.Ready() == nil })
}

// record applies facts to the read model, each at the next sequence.
func (r *rig) record(stream string, facts ...events.Event) uint64 {
	r.Helper()
	from := r.at[stream]
	from.Stream = stream
	to := from
	batch := activesessions.Batch{From: from}
	for _, fact := range facts {
		to.Sequence++
		to.ID = fmt.Sprintf("%s-%d", stream, to.Sequence)
		to.Created = r.now
		batch.Facts = append(batch.Facts, eventlog.Recorded{
			Envelope: events.Envelope{ID: to.ID, Source: "/test", Time: r.now, Event: fact},
			Stream:   stream, Sequence: to.Sequence, Time: r.now,
		})
	}
	batch.To = to
	if _, err := r.store.Apply(r.Context(), batch); err != nil {
		r.Fatal(err)
	}
	r.at[stream] = to
	return to.Sequence
}

func (r *rig) announce(tenant string, users ...string) {
	r.Helper()
	fresh, err := r.store.Freshness(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	data, err := json.Marshal(events.Changed{Tenant: tenant, Users: users, Position: fresh.Position, Touches: fresh.Touches})
	if err != nil {
		r.Fatal(err)
	}
	if err := r.bus.Publish(events.ChangedSubject(tenant), data); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) login(tenant, user, session string) events.LoggedIn {
	return events.LoggedIn{
		Key:            events.Key{Tenant: tenant, User: user, Session: session},
		EventTimestamp: events.TimestampOf(r.now),
		Created:        events.TimestampOf(r.now.Add(-time.Hour)),
		Expires:        events.TimestampOf(r.now.Add(24 * time.Hour)),
		Personal: events.LoginPersonal{
			Username: user, DisplayName: "The " + user, IP: "192.0.2.7", UserAgent: "Mozilla/5.0", DeviceLabel: "till 3",
		},
	}
}

func (r *rig) revoked(tenant, user, session string) events.Revoked {
	return events.Revoked{
		Key:              events.Key{Tenant: tenant, User: user, Session: session},
		EventTimestamp:   events.TimestampOf(r.now),
		Cause:            events.CauseTerminate,
		InitiatingEntity: events.InitiatedByAdmin,
		Actor:            events.Actor{User: "anna", Session: "anna-1"},
		Expires:          events.TimestampOf(r.now.Add(24 * time.Hour)),
		CommandID:        "command-1",
		Personal:         events.RevokedPersonal{ActorIP: "192.0.2.9", ReasonAdmin: "stolen", ReasonUser: "call us"},
	}
}

// shop signs in anna (admin), carl with two sessions, and people of another tenant.
func (r *rig) shop() uint64 {
	return r.record(events.StreamSessions,
		r.login("shop", "anna", "anna-1"),
		r.login("shop", "carl", "carl-1"),
		r.login("shop", "carl", "carl-2"),
		r.login("other", "anna", "other-anna"),
		r.login("other", "zoe", "zoe-1"),
		r.login("shop", "carl", "carl-0"),
		r.revoked("shop", "carl", "carl-0"),
	)
}

type answer struct {
	status int
	header http.Header
	raw    string
}

func (a answer) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.raw), v); err != nil {
		t.Fatalf("answer %d %s: %v", a.status, a.raw, err)
	}
}

func (r *rig) get(bearer, path string, header ...string) answer {
	r.Helper()
	request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, r.url+path, http.NoBody)
	if err != nil {
		r.Fatal(err)
	}
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	request.Header.Set("X-Request-ID", "one")
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		r.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		r.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(body)}
}

// event is one server-sent event; an end of the stream has the name "closed".
type event struct{ name, id, data string }

// follow opens /v1/changes and hands its events over.
func (r *rig) follow(bearer, lastEventID string) <-chan event {
	r.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/v1/changes", http.NoBody)
	if err != nil {
		r.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+bearer)
	if lastEventID != "" {
		request.Header.Set("Last-Event-ID", lastEventID)
	}
	response, err := http.DefaultTransport.RoundTrip(request) //nolint:bodyclose // by the reader
	if err != nil {
		r.Fatal(err)
	}
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		body, _ := io.ReadAll(response.Body)
		r.Fatalf("changes answered %d %s", response.StatusCode, body)
	}
	list := make(chan event, 1024)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer response.Body.Close()
		readEvents(response.Body, list)
	}()
	r.Cleanup(func() { cancel(); <-done })
	return list
}

func readEvents(body io.Reader, list chan<- event) {
	var e event
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "data":
			e.data = value
		case "":
			if e.name != "" {
				list <- e
			}
			e = event{}
		}
	}
	list <- event{name: "closed"}
}

func (r *rig) next(list <-chan event) event {
	r.Helper()
	select {
	case e := <-list:
		return e
	case <-time.After(10 * time.Second):
		r.Fatal("no event came")
		return event{}
	}
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-deadline.C:
			t.Fatalf("never came true: %s", what)
		case <-ticker.C:
		}
	}
}
