package screen_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/activesessions/memstore"
	"github.com/posse-pos/posse/pkg/device"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/pkg/pgtest"
	"github.com/posse-pos/posse/services/query/changes"
	"github.com/posse-pos/posse/services/query/screen"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Stopping(m)) }

// afternoon is when the tests happen, unless they say otherwise.
var afternoon = time.Date(2026, 11, 20, 14, 5, 0, 0, time.UTC)

var parser = device.NewParser(0)

// User agents of the devices in the shop.
const (
	firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	ipad    = "WCPOS/1.8.1 (ios; build 231)"
	till    = "WCPOS/1.8.1 (electron; win32; build 231)"
)

// rig is a screen over a read model that the test writes.
type rig struct {
	*testing.T

	clock   *clock
	store   store
	reader  *reader
	wire    *wire
	hub     *changes.Hub
	ender   *ender
	fleet   *gateways
	guard   *guard
	logged  *logged
	screen  *screen.Screen
	handler http.Handler
	at      map[string]eventlog.Position
}

// store is a read model that can be written and read.
type store interface {
	activesessions.Writer
	activesessions.Reader
}

type change func(*screen.Config)

func setup(t *testing.T, change ...change) *rig {
	t.Helper()
	return setupAt(t, &clock{at: afternoon}, change...)
}

func setupAt(t *testing.T, c *clock, change ...change) *rig {
	t.Helper()
	r := &rig{T: t, clock: c, wire: &wire{}, fleet: &gateways{}, guard: newGuard(), logged: &logged{}, at: map[string]eventlog.Position{}}
	r.store = memstore.New(memstore.Config{Now: c.now})
	r.reader = &reader{Reader: r.store}
	r.ender = &ender{rig: r}
	quiet := slog.New(slog.DiscardHandler)
	r.hub = changes.NewHub(changes.Config{Store: r.reader, Bus: r.wire, PollEvery: time.Hour, Logger: quiet})
	r.build(change...)
	return r
}

// inBubble runs a test in a time of its own, in which nothing is waited for.
func inBubble(t *testing.T, test func(r *rig), change ...change) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(setupAt(t, &clock{}, change...)) })
}

// observing hears of every answer.
func observing(observe func(operation string, status int)) change {
	return func(c *screen.Config) {
		c.Observe = func(operation string, status int, _ time.Duration) { observe(operation, status) }
	}
}

// build makes the screen and its routes, beside an API's middleware.
func (r *rig) build(change ...change) {
	r.Helper()
	config := screen.Config{
		Store: r.reader, Changes: r.hub, Ender: r.ender, Fleet: r.fleet, Now: r.clock.now, Logger: slog.New(r.logged),
	}
	for _, c := range change {
		c(&config)
	}
	var err error
	if r.screen, err = screen.New(config); err != nil {
		r.Fatal(err)
	}
	router, _ := httpapi.New(httpapi.Config{Title: "test", Version: "1", Logger: slog.New(r.logged)})
	r.screen.Register(router, r.guard, http.NewCrossOriginProtection())
	r.handler = router
}

// record applies facts to the read model, each at the next sequence.
func (r *rig) record(stream string, facts ...events.Event) uint64 {
	r.Helper()
	return r.apply(r.Context(), stream, facts...)
}

func (r *rig) apply(ctx context.Context, stream string, facts ...events.Event) uint64 {
	r.Helper()
	from := r.at[stream]
	from.Stream = stream
	to := from
	batch := activesessions.Batch{From: from, Devices: map[string]device.Device{}}
	for _, fact := range facts {
		to.Sequence++
		to.ID = fmt.Sprintf("%s-%d", stream, to.Sequence)
		to.Created = r.clock.now()
		batch.Facts = append(batch.Facts, eventlog.Recorded{
			Envelope: events.Envelope{ID: to.ID, Source: "/test", Time: to.Created, Event: fact},
			Stream:   stream, Sequence: to.Sequence, Time: to.Created,
		})
		if login, ok := fact.(events.LoggedIn); ok {
			agent := login.Personal.UserAgent
			batch.Devices[activesessions.DeviceHash(login)] = parser.Parse(activesessions.Declared(login), agent)
		}
	}
	batch.To = to
	if _, err := r.store.Apply(ctx, batch); err != nil {
		r.Fatal(err)
	}
	r.at[stream] = to
	return to.Sequence
}

// signedIn records logins, the last of which is the newest activity.
func (r *rig) signedIn(logins ...events.LoggedIn) uint64 {
	r.Helper()
	facts := make([]events.Event, len(logins))
	for i := range logins {
		facts[i] = logins[i]
	}
	return r.record(events.StreamSessions, facts...)
}

// login is that of somebody who signed in an hour ago and made their last request
// before a while.
func (r *rig) login(user, session, userAgent string, idle time.Duration) events.LoggedIn {
	now := r.clock.now()
	return events.LoggedIn{
		Key:            events.Key{Tenant: "shop", User: user, Session: session},
		EventTimestamp: events.TimestampOf(now.Add(-idle)),
		Created:        events.TimestampOf(now.Add(-idle - time.Hour)),
		Expires:        events.TimestampOf(now.Add(24 * time.Hour)),
		Personal: events.LoginPersonal{
			Username: user + ".n", DisplayName: "The " + user, IP: "192.0.2.7", UserAgent: userAgent,
		},
	}
}

// revoked is the end of a session, by anna, a while ago.
func (r *rig) revoked(user, session string, ago time.Duration, change ...func(*events.Revoked)) events.Revoked {
	now := r.clock.now()
	e := events.Revoked{
		Key:              events.Key{Tenant: "shop", User: user, Session: session},
		EventTimestamp:   events.TimestampOf(now.Add(-ago)),
		Cause:            events.CauseTerminate,
		InitiatingEntity: events.InitiatedByAdmin,
		Actor:            events.Actor{User: "anna", Session: "anna-1"},
		Expires:          events.TimestampOf(now.Add(24 * time.Hour)),
		CommandID:        "command-" + session,
		Personal:         events.RevokedPersonal{ActorIP: "192.0.2.9", ReasonAdmin: "stolen at the till", ReasonUser: "please call us"},
	}
	for _, c := range change {
		c(&e)
	}
	return e
}

// shop is anna, an admin at her browser, used longest ago; carl with an iPad and a
// till; otto, an auditor; and somebody of another tenant.
func (r *rig) shop() uint64 {
	r.Helper()
	foreign := r.login("zoe", "zoe-1", firefox, 0)
	foreign.Tenant = "other"
	tablet := r.login("carl", "carl-1", ipad, 2*time.Minute)
	tablet.Personal.DeviceLabel = "Counter 3"
	return r.signedIn(
		r.login("anna", "anna-1", firefox, 3*time.Hour),
		r.login("carl", "carl-2", till, 10*time.Minute),
		tablet,
		r.login("otto", "otto-1", firefox, 30*time.Minute),
		foreign,
	)
}

// answer is what a request got.
type answer struct {
	*httptest.ResponseRecorder

	rig *rig
}

// body is the answer's text.
func (a answer) body() string { return a.Body.String() }

// page is the answer's elements.
func (a answer) page() *node {
	a.rig.Helper()
	root, err := parse(a.body())
	if err != nil {
		a.rig.Fatalf("answer %d is not well-formed: %v\n%s", a.Code, err, a.body())
	}
	return root
}

// send makes a request as somebody: "anna" is an admin, "otto" an auditor, "carl"
// has no role. Headers are names and values.
func (r *rig) send(who, method, path, body string, header ...string) answer {
	r.Helper()
	request := httptest.NewRequestWithContext(r.Context(), method, path, strings.NewReader(body))
	request.Header.Set("X-Request-ID", "one")
	request.Header.Set("X-Test-Who", who)
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	recorder := httptest.NewRecorder()
	r.handler.ServeHTTP(recorder, request)
	return answer{recorder, r}
}

func (r *rig) get(who, path string, header ...string) answer {
	r.Helper()
	return r.send(who, http.MethodGet, path, "", header...)
}

// pane asks as a script does, for one element.
func (r *rig) pane(who, target, path string, header ...string) answer {
	r.Helper()
	return r.get(who, path, append([]string{"Hx-Request", "true", "Hx-Target", target}, header...)...)
}

// post sends a form as a browser without scripts does.
func (r *rig) post(who string, form url.Values, header ...string) answer {
	r.Helper()
	return r.send(who, http.MethodPost, "/end", form.Encode(), header...)
}

// postInDialog sends a form as a script does.
func (r *rig) postInDialog(who string, form url.Values) answer {
	r.Helper()
	return r.post(who, form, "Hx-Request", "true", "Hx-Target", "div#dialog-body")
}

// want fails the test unless an answer has a status, and returns its page.
func (a answer) want(status int) *node {
	a.rig.Helper()
	if a.Code != status {
		a.rig.Fatalf("answer is %d, want %d:\n%s", a.Code, status, a.body())
	}
	return a.page()
}

// clock stands still until it is moved, or goes with the time.
type clock struct {
	mu sync.Mutex
	at time.Time // zero: time.Now
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.IsZero() {
		return time.Now()
	}
	return c.at
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}
