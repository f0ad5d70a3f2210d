package history_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/pkg/natstest"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/pkg/principal/principaltest"
	"github.com/posse-pos/posse/services/auditor/history"
	"github.com/posse-pos/posse/services/auditor/replay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, natstest.Leaks()...) }

const patience = 20 * time.Second

var moment = time.Date(2026, 3, 14, 9, 26, 53, 589_000_000, time.UTC)

func newCallers() *principaltest.Callers {
	return principaltest.New(map[string]principal.Principal{
		"auditor": {Kind: principal.Auditor, Tenant: "shop", User: "otto", Session: "otto-1", Roles: []string{"auditor"}},
		"admin":   {Kind: principal.Admin, Tenant: "shop", User: "anna", Session: "anna-1"},
		"user":    {Kind: principal.User, Tenant: "shop", User: "ann", Session: "s-0"},
		"backend": {Kind: principal.Backend, Tenant: "shop", KeyID: "key-1"},
		"foreign": {Kind: principal.Auditor, Tenant: "other", User: "otto", Session: "other-1"},
	})
}

// api is the service on a port.
type api struct {
	t        *testing.T
	url      string
	callers  *principaltest.Callers
	registry *prometheus.Registry
}

func serve(t *testing.T, config history.Config) *api {
	t.Helper()
	a := &api{t: t, callers: newCallers(), registry: prometheus.NewRegistry()}
	quiet := slog.New(slog.DiscardHandler)
	config.Authenticator, config.Logger, config.Metrics, config.CheckEvery = a.callers, quiet, a.registry, 10*time.Millisecond
	service, err := history.New(config)
	if err != nil {
		t.Fatal(err)
	}
	router, humaAPI := httpapi.New(httpapi.Config{Title: "test", Version: "1", Authenticator: a.callers, Logger: quiet})
	service.Register(humaAPI)
	server := httptest.NewServer(router)
	t.Cleanup(server.Close)
	a.url = server.URL
	return a
}

// site is an API over a log on a real server.
type site struct {
	*api

	ctx    context.Context
	server *natstest.Server
	log    *natslog.Log
	ids    int
}

func newSite(t *testing.T, change ...func(*history.Config)) *site {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	s := &site{ctx: ctx, server: natstest.Start(t)}
	quiet := slog.New(slog.DiscardHandler)
	conn, err := bus.Connect(ctx, bus.Config{URL: s.server.URL(), Name: t.Name(), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if s.log, err = natslog.New(ctx, conn, natslog.Config{Logger: quiet}); err != nil {
		t.Fatal(err)
	}
	config := history.Config{Log: s.log, Trail: s.log}
	for _, c := range change {
		c(&config)
	}
	s.api = serve(t, config)
	return s
}

func login(tenant, user, session string) events.LoggedIn {
	return events.LoggedIn{
		Key: events.Key{Tenant: tenant, User: user, Session: session}, EventTimestamp: events.TimestampOf(moment),
		Created: events.TimestampOf(moment), Expires: events.TimestampOf(moment.Add(time.Hour)),
		Personal: events.LoginPersonal{Username: user + " <" + tenant + ">", IP: "192.0.2.7"},
	}
}

func (s *site) append(facts ...events.Event) uint64 {
	s.t.Helper()
	var last uint64
	for _, fact := range facts {
		s.ids++
		envelope := events.Envelope{ID: fmt.Sprintf("fact-%d", s.ids), Source: "/posse/test", Time: moment, Event: fact}
		var err error
		if last, err = s.log.Append(s.ctx, []events.Envelope{envelope}, nil); err != nil {
			s.t.Fatal(err)
		}
	}
	return last
}

// rounds appends three facts of the tenant shop and two of another a round. The user
// ann is one of both.
func (s *site) rounds(n int) {
	s.t.Helper()
	for i := range n {
		session := fmt.Sprintf("s-%d", i)
		s.append(login("shop", "ann", session), login("other", "ann", session), login("shop", "bob", session), login("other", "zoe", session),
			events.Revoked{
				Key: events.Key{Tenant: "shop", User: "ann", Session: session}, EventTimestamp: events.TimestampOf(moment),
				Cause: events.CauseTerminate, InitiatingEntity: events.InitiatedByAdmin, Actor: events.Actor{User: "anna"}, CommandID: "c",
			})
	}
}

// replayed is what posse audit replay writes.
func (s *site) replayed(query replay.Query) string {
	s.t.Helper()
	var out bytes.Buffer
	if _, err := replay.Run(s.ctx, replay.Config{Log: s.log, Query: query, Sink: replay.NewLines(replay.NDJSON{}, &out)}); err != nil {
		s.t.Fatal(err)
	}
	return out.String()
}

func (s *site) reads() []events.AuditRead {
	s.t.Helper()
	notes, err := s.log.Notes(s.ctx, 1, 100)
	if err != nil {
		s.t.Fatal(err)
	}
	reads := make([]events.AuditRead, len(notes))
	for i, note := range notes {
		reads[i] = note.Fact.(events.AuditRead)
	}
	return reads
}

// ask sends a request whose answer the caller closes.
func (a *api) ask(ctx context.Context, method, bearer, path string, header ...string) *http.Response {
	a.t.Helper()
	request, err := http.NewRequestWithContext(ctx, method, a.url+path, http.NoBody)
	if err != nil {
		a.t.Fatal(err)
	}
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		a.t.Fatal(err)
	}
	return response
}

// get reads an answer to its end.
func (a *api) get(bearer, path string, header ...string) (status int, head http.Header, body string) {
	a.t.Helper()
	response := a.ask(a.t.Context(), http.MethodGet, bearer, path, header...)
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		a.t.Fatalf("%s: %v after %d bytes", path, err, len(data))
	}
	return response.StatusCode, response.Header, string(data)
}

// refused asks for what is answered with a problem.
func (a *api) refused(want int, bearer, path string, texts ...string) http.Header {
	a.t.Helper()
	status, header, body := a.get(bearer, path)
	if status != want || header.Get("Content-Type") != "application/problem+json" {
		a.t.Errorf("%s as %q: %d %s, want %d; %s", path, bearer, status, header.Get("Content-Type"), want, body)
	}
	for _, text := range texts {
		if !strings.Contains(body, text) {
			a.t.Errorf("%s as %q does not say %q: %s", path, bearer, text, body)
		}
	}
	return header
}

// ended waits until an answer has ended in a way.
func (a *api) ended(how string) {
	a.t.Helper()
	eventually(a.t, "an answer ends with "+how, func() bool { return a.metric("posse_history_streams_ended_total", how) > 0 })
	eventually(a.t, "no answer is under way", func() bool { return a.metric("posse_history_streams", "") == 0 })
}

// metric is the value of a metric whose one label has a value; "" if it has none.
func (a *api) metric(name, value string) float64 {
	a.t.Helper()
	families, err := a.registry.Gather()
	if err != nil {
		a.t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			if value == "" {
				return metric.GetGauge().GetValue() + metric.GetCounter().GetValue()
			}
			if metric.GetLabel()[0].GetValue() == value {
				return metric.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// dial sends bytes as they are, over a connection that ends with the test.
func (a *api) dial(request string) io.Reader {
	a.t.Helper()
	conn, err := (&net.Dialer{}).DialContext(a.t.Context(), "tcp", strings.TrimPrefix(a.url, "http://"))
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { _ = conn.Close() })
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(4096) // what is not read does not stay on the line
	}
	if _, err := io.WriteString(conn, request); err != nil {
		a.t.Fatal(err)
	}
	return conn
}

// event is one server-sent event; the end of the stream has the name "closed".
type event struct{ name, id, data string }

// follow opens a stream of events and hands them over.
func (a *api) follow(bearer, path string, header ...string) (list <-chan event, hangUp func()) {
	a.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	response := a.ask(ctx, http.MethodGet, bearer, path, header...) //nolint:bodyclose // by the reader
	if kind := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || kind != "text/event-stream" {
		body, _ := io.ReadAll(response.Body)
		a.t.Fatalf("%s answers %d %s %s", path, response.StatusCode, kind, body)
	}
	heard, done := make(chan event, 4096), make(chan struct{})
	go func() {
		defer close(done)
		defer response.Body.Close()
		readEvents(response.Body, heard)
	}()
	hangUp = sync.OnceFunc(func() { cancel(); <-done })
	a.t.Cleanup(hangUp)
	return heard, hangUp
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
		case ":":
			list <- event{name: "comment"}
		case "":
			if e != (event{}) {
				list <- e
			}
			e = event{}
		}
	}
	list <- event{name: "closed"}
}

func (a *api) next(list <-chan event) event {
	a.t.Helper()
	select {
	case e := <-list:
		return e
	case <-time.After(patience):
		a.t.Fatal("no event came")
		return event{}
	}
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline, ticker := time.NewTimer(patience), time.NewTicker(5*time.Millisecond)
	defer deadline.Stop()
	defer ticker.Stop()
	for !condition() {
		select {
		case <-deadline.C:
			t.Fatalf("never came true: %s", what)
		case <-ticker.C:
		}
	}
}

// endless is a log of which there is always more, until it breaks.
type endless struct {
	replay.Log

	pages int // that can be read; 0 for any number

	mu   sync.Mutex
	read int
}

func (e *endless) State(context.Context, string) (eventlog.State, error) {
	return eventlog.State{Created: moment, First: 1, Last: 1 << 40}, nil
}

func (e *endless) Scan(ctx context.Context, selection eventlog.Selection) iter.Seq2[eventlog.Batch, error] {
	return func(yield func(eventlog.Batch, error) bool) {
		for {
			batch, err := e.page(ctx, selection)
			if !yield(batch, err) || err != nil {
				return
			}
			selection.From = batch.End.Sequence + 1
		}
	}
}

func (e *endless) page(ctx context.Context, selection eventlog.Selection) (eventlog.Batch, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.read++
	if e.pages > 0 && e.read > e.pages {
		return eventlog.Batch{}, fmt.Errorf("%w: it is gone", eventlog.ErrUnavailable)
	}
	if ctx.Err() != nil {
		return eventlog.Batch{}, ctx.Err()
	}
	batch := eventlog.Batch{Pending: 1}
	for i := range selection.Limit {
		sequence := selection.From + uint64(i)
		batch.Events = append(batch.Events, eventlog.Recorded{
			Envelope: events.Envelope{ID: "x", Source: "/posse/test", Time: moment, Event: login("shop", "ann", "s")},
			Sequence: sequence, Time: moment,
		})
		batch.End = eventlog.Position{Created: moment, Sequence: sequence}
	}
	return batch, nil
}

// pad is a trail that notes everything, or nothing.
type pad struct {
	eventlog.Trail

	err error
}

func (p pad) Note(context.Context, events.AuditEnvelope) (uint64, error) { return 1, p.err }

var errFull = errors.New("the disk is full")
