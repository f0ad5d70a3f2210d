package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	parser "github.com/posse-pos/posse/pkg/device"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCastIsWhole(t *testing.T) {
	t.Parallel()
	c, err := readCast()
	if err != nil {
		t.Fatal(err)
	}
	if len(c.People) != 12 || len(c.Devices) != 24 {
		t.Errorf("the shop has %d people and %d devices", len(c.People), len(c.Devices))
	}
	devices := parser.NewParser(0)
	for _, d := range append(c.Devices, c.Office) {
		if d.who.ID == "" {
			t.Errorf("%s belongs to %q, whom nobody knows", d.Label, d.Person)
		}
		declared := parser.Declared{Platform: d.Platform, AppVersion: d.Version, Build: d.Build, ClientHints: d.Hints}
		parsed := devices.Parse(declared, d.UserAgent)
		if parsed.Browser == "" {
			t.Errorf("%s is not recognised: %+v", d.Label, parsed)
		}
	}
}

// fakePosse keeps sessions in memory and ends some of them by itself.
type fakePosse struct {
	mu       sync.Mutex
	next     int
	sessions map[string]string // user by session
	counts   map[string]int
	enough   chan struct{}
}

func newFakePosse() *fakePosse {
	return &fakePosse{sessions: map[string]string{}, counts: map[string]int{}, enough: make(chan struct{})}
}

// count notes what was asked for, and when everything has been.
func (f *fakePosse) count(what string) {
	f.counts[what]++
	for _, wanted := range []string{"login", "refresh", "request", "refused", "logout", "terminate", "list"} {
		if f.counts[wanted] == 0 {
			return
		}
	}
	select {
	case <-f.enough:
	default:
		close(f.enough)
	}
}

func (f *fakePosse) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/v1/sessions":
		f.login(w, r)
	case r.URL.Path == "/v1/token":
		f.count("refresh")
		session := r.FormValue("refresh_token")
		fmt.Fprintf(w, `{"access_token":%q,"refresh_token":%q}`, session, session)
	case r.URL.Path == "/products":
		f.products(w, bearer)
	case r.Method == http.MethodGet && len(parts) == 4:
		f.list(w, parts[2])
	case r.Method == http.MethodDelete && len(parts) == 3:
		f.end(w, parts[2], bearer)
	default:
		fmt.Fprint(w, `{"ended":0}`)
	}
}

func (f *fakePosse) login(w http.ResponseWriter, r *http.Request) {
	f.count("login")
	var body struct {
		User string `json:"user"`
	}
	_ = json.NewDecoder(r.Body).Decode(&body)
	f.next++
	session := fmt.Sprint("s", f.next)
	f.sessions[session] = body.User
	fmt.Fprintf(w, `{"session":%q,"tokens":{"access_token":%q,"refresh_token":%q}}`, session, session, session)
}

func (f *fakePosse) products(w http.ResponseWriter, session string) {
	if _, ok := f.sessions[session]; !ok {
		f.count("refused")
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	f.count("request")
	fmt.Fprint(w, products)
}

func (f *fakePosse) list(w http.ResponseWriter, user string) {
	f.count("list")
	var found []string
	for session, owner := range f.sessions {
		if owner == user {
			found = append(found, fmt.Sprintf(`{"session":%q,"user":%q,"created":"2026-01-01T00:00:00Z","last_active":"2026-01-01T00:00:00Z"}`, session, user))
		}
	}
	fmt.Fprintf(w, `{"sessions":[%s]}`, strings.Join(found, ","))
}

func (f *fakePosse) end(w http.ResponseWriter, session, bearer string) {
	if session == bearer {
		f.count("logout")
	} else {
		f.count("terminate")
	}
	delete(f.sessions, session)
	fmt.Fprint(w, `{"ended":1}`)
}

func TestShopLives(t *testing.T) {
	t.Parallel()
	posse := newFakePosse()
	server := httptest.NewServer(posse)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Config{
			API: server.URL, Upstream: server.URL, Key: "key", Pace: 2 * time.Millisecond, LossEvery: 2 * time.Millisecond,
			Logger: slog.New(slog.DiscardHandler),
		})
	}()
	select {
	case <-posse.enough:
	case <-ctx.Done():
		t.Errorf("not everything happened: %v", posse.counts)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run = %v", err)
	}
}

func TestRunSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	err := Run(t.Context(), Config{API: server.URL, Upstream: server.URL, Key: "a secret"})
	if err == nil || !strings.Contains(err.Error(), "the manager cannot sign in") || strings.Contains(err.Error(), "a secret") {
		t.Errorf("Run = %v", err)
	}
	if err := Run(t.Context(), Config{API: "nowhere", Upstream: server.URL}); err == nil {
		t.Error("Run takes an API that is no URL")
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

func TestUpstream(t *testing.T) {
	t.Parallel()
	answer := httptest.NewRecorder()
	Upstream().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/products", http.NoBody))
	if answer.Code != http.StatusOK || !json.Valid(answer.Body.Bytes()) {
		t.Errorf("GET /products = %d %s", answer.Code, answer.Body)
	}
}
