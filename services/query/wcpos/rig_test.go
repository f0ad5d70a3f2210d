package wcpos_test

import (
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions/memstore"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/services/query/reads"
	"github.com/posse-pos/posse/services/query/wcpos"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// golden writes the files in testdata anew, for a person to look at.
var golden = flag.Bool("golden", false, "write testdata instead of comparing with it")

// now is when every story happens.
var now = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

const (
	v1 = "/wp-json/wcpos/v1/auth"
	v2 = "/wp-json/wcpos/v2/auth"

	// Session ids as posse makes them, which are as the plugin's.
	annas    = "01956000-0000-7000-8000-00000000000a"
	tablet   = "01956000-0000-7000-8000-000000000001"
	register = "01956000-0000-7000-8000-000000000002"
	phone    = "01956000-0000-7000-8000-000000000003"
	ended    = "01956000-0000-7000-8000-000000000004"
	expired  = "01956000-0000-7000-8000-000000000005"
	zoes     = "a/b c%2Fü"
	foreign  = "01956000-0000-7000-8000-0000000000ff"
)

// The longest token that is looked at, and one that is too long.
var (
	longest = strings.Repeat("x", 16<<10)
	tooLong = longest + "x"
)

// callers knows bearers by name.
var callers = bearers{
	longest:   {Kind: principal.User, Tenant: "shop", User: "42", Session: tablet},
	tooLong:   {Kind: principal.User, Tenant: "shop", User: "42", Session: tablet},
	"admin":   {Kind: principal.Admin, Tenant: "shop", User: "1", Session: annas, Roles: []string{"admin"}},
	"user":    {Kind: principal.User, Tenant: "shop", User: "42", Session: tablet},
	"auditor": {Kind: principal.Auditor, Tenant: "shop", User: "007", Session: phone},
	"key":     {Kind: principal.Admin, Tenant: "shop", User: "1", Roles: []string{"admin"}}, // has no session
	"backend": {Kind: principal.Backend, Tenant: "shop", KeyID: "key-1"},
	"foreign": {Kind: principal.Admin, Tenant: "other", User: "1", Session: foreign},
}

// rig is the API over a read model that the test writes.
type rig struct {
	testing.TB

	store   *watched
	ender   *recorder
	log     *logged
	handler http.Handler
}

func setup(tb testing.TB, change ...func(*wcpos.Config)) *rig {
	tb.Helper()
	store := &watched{
		Store: memstore.New(memstore.Config{Now: func() time.Time { return now }}),
		at:    eventlog.Position{Stream: events.StreamSessions},
	}
	r := &rig{TB: tb, store: store, ender: &recorder{store: store}, log: &logged{}}
	logger := slog.New(slog.NewTextHandler(r.log, nil))
	config := wcpos.Config{
		Reads:         reads.New(store, func() time.Time { return now }, slog.New(slog.DiscardHandler)),
		Ender:         r.ender,
		Authenticator: callers,
		Logger:        logger,
	}
	for _, c := range change {
		c(&config)
	}
	api, err := wcpos.New(config)
	if err != nil {
		tb.Fatal(err)
	}
	router, _ := httpapi.New(httpapi.Config{Title: "test", Version: "1", Logger: logger})
	api.Register(router)
	r.handler = router
	return r
}

// shop signs in anna (1) on the web, carl (42) on a tablet, a register and, in
// the past, elsewhere, an auditor (007), and zoë, whose ids are none of the
// plugin's.
func (r *rig) shop() {
	r.Helper()
	chrome := "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
	old := login("shop", "42", expired, 48*time.Hour, "", "")
	old.Expires = events.TimestampOf(now.Add(-time.Hour))
	app := login("shop", "42", tablet, 2*time.Minute, "WCPOS/1.8.1 (ipad; build 231)", "")
	app.Platform, app.AppVersion, app.Build = "ios", "1.8.1", "231"
	nameless := login("shop", "zoë", zoes, 3*time.Hour, "", "")
	nameless.Personal = events.LoginPersonal{DisplayName: `</script><script>alert("ë")`}
	r.store.record(
		old,
		nameless,
		login("shop", "007", phone, 90*time.Minute, "WCPOS/1.8.1 (android)", "2001:db8::7"),
		login("shop", "42", register, 30*time.Minute, "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "+
			"WooCommercePOS/1.8.0 Chrome/120.0.0.0 Electron/28.0.0 Safari/537.36", "192.0.2.42"),
		login("shop", "42", ended, 20*time.Minute, chrome, "192.0.2.42"),
		revoked("shop", "42", ended),
		login("shop", "1", annas, 10*time.Minute, chrome, "192.0.2.1"),
		app,
		login("other", "1", foreign, time.Minute, chrome, "198.51.100.1"),
	)
}

// login is by somebody who signed in a while ago and was not active since.
func login(tenant, user, session string, ago time.Duration, userAgent, ip string) events.LoggedIn {
	return events.LoggedIn{
		Key:            events.Key{Tenant: tenant, User: user, Session: session},
		EventTimestamp: events.TimestampOf(now.Add(-ago)),
		Created:        events.TimestampOf(now.Add(-ago)),
		Expires:        events.TimestampOf(now.Add(24 * time.Hour)),
		Personal: events.LoginPersonal{
			Username: "user" + user, DisplayName: "The " + user, AvatarURL: "https://shop.example/" + user + ".png",
			IP: ip, UserAgent: userAgent,
		},
	}
}

func revoked(tenant, user, session string) events.Revoked {
	return events.Revoked{
		Key:              events.Key{Tenant: tenant, User: user, Session: session},
		EventTimestamp:   events.TimestampOf(now),
		Cause:            events.CauseTerminate,
		InitiatingEntity: events.InitiatedByAdmin,
		Expires:          events.TimestampOf(now.Add(24 * time.Hour)),
		CommandID:        "command-1",
	}
}

// request is one that a client sends; it is a GET of v1 unless it says more.
type request struct {
	method, path, bearer, body string
	header                     map[string]string
}

func (q request) build(tb testing.TB) *http.Request {
	tb.Helper()
	method := q.method
	if method == "" {
		method = http.MethodGet
	}
	built := httptest.NewRequestWithContext(tb.Context(), method, q.path, strings.NewReader(q.body))
	if q.bearer != "" {
		built.Header.Set("Authorization", "Bearer "+q.bearer)
	}
	for name, value := range q.header {
		built.Header.Set(name, value)
	}
	return built
}

func (r *rig) do(q request) *httptest.ResponseRecorder {
	r.Helper()
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, q.build(r.TB))
	return w
}

// answers sends a request, and compares the answer with a status and with a file
// in testdata, byte by byte.
func (r *rig) answers(q request, status int, file string) *httptest.ResponseRecorder {
	r.Helper()
	w := r.do(q)
	got := w.Body.Bytes()
	if w.Code != status {
		r.Errorf("%s %s answered %d %s, want %d", q.method, q.path, w.Code, got, status)
	}
	if kind := w.Header().Get("Content-Type"); kind != "application/json; charset=UTF-8" {
		r.Errorf("%s %s answered with the type %q", q.method, q.path, kind)
	}
	path := filepath.Join("testdata", file)
	if *golden {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			r.Fatal(err)
		}
		return w
	}
	want, err := os.ReadFile(path)
	if err != nil {
		r.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		r.Errorf("%s %s is not %s (-want +got)\n%s", q.method, q.path, file, diff)
	}
	return w
}

// serve starts a server, for what a recorded answer cannot show.
func (r *rig) serve() *httptest.Server {
	r.Helper()
	server := httptest.NewServer(r.handler)
	r.Cleanup(server.Close)
	return server
}

// fetched is an answer that came over a connection.
type fetched struct {
	status int
	body   string
	err    error // of reading the body
}

func fetch(t *testing.T, server *httptest.Server, q request) fetched {
	t.Helper()
	built := q.build(t)
	built.RequestURI = "" // of servers only
	built.URL.Scheme, built.URL.Host = "http", server.Listener.Addr().String()
	response, err := server.Client().Do(built)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return fetched{response.StatusCode, string(body), err}
}
