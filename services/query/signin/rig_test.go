package signin_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/pkg/token"
	"github.com/posse-pos/posse/services/query/signin"
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

// shop is a recorder and a read model in memory.
type shop struct {
	mu       sync.Mutex
	clock    *clock
	longest  time.Duration // that the tenant's policy allows; 0 means a month
	logins   []commands.Login
	ends     []commands.EndSession
	sessions map[string]string // what the login that made it said
	ended    map[string]bool
	away     error // what the recorder answers
	stuck    error // what it answers to whoever wants to sign out
	blind    error // what the read model answers
}

func (s *shop) Login(_ context.Context, c commands.Login) (commands.LoggedIn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away != nil {
		return commands.LoggedIn{}, s.away
	}
	longest := s.longest
	if longest == 0 {
		longest = 30 * 24 * time.Hour
	}
	if c.Expires.Sub(s.clock.now()) > longest {
		return commands.LoggedIn{}, commands.Invalid(commands.Field{Name: "expires", Message: "is too late"})
	}
	content, err := json.Marshal(c)
	if err != nil {
		return commands.LoggedIn{}, err
	}
	if c.Session == "" {
		c.Session = fmt.Sprintf("s-%d", len(s.sessions)+1)
	}
	known, exists := s.sessions[c.Session]
	switch {
	case s.ended[c.Session]:
		return commands.LoggedIn{}, commands.NewError(commands.ReasonSessionEnded, "it has ended")
	case exists && known != string(content):
		return commands.LoggedIn{}, commands.NewError(commands.ReasonSessionExists, "it exists")
	}
	s.sessions[c.Session] = string(content)
	s.logins = append(s.logins, c)
	if c.Expires.IsZero() {
		c.Expires = s.clock.now().Add(longest)
	}
	return commands.LoggedIn{
		Session: c.Session, User: c.User, Tenant: c.Caller.Principal.Tenant,
		Created: s.clock.now(), Expires: c.Expires, Position: uint64(len(s.logins)),
	}, nil
}

func (s *shop) EndSession(_ context.Context, c commands.EndSession) (commands.Ended, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.away != nil:
		return commands.Ended{}, s.away
	case s.stuck != nil:
		return commands.Ended{}, s.stuck
	case s.ended[c.Session]:
		return commands.Ended{}, commands.NewError(commands.ReasonSessionRevoked, "it has ended")
	}
	s.ends = append(s.ends, c)
	s.ended[c.Session] = true
	return commands.Ended{Ended: 1, Sessions: []string{c.Session}}, nil
}

func (s *shop) isEnded(_ context.Context, _, session string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended[session], s.blind
}

func (s *shop) change(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *shop) lastLogin() commands.Login {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logins[len(s.logins)-1]
}

// bearers knows access tokens by name.
type bearers map[string]principal.Principal

func (b bearers) Authenticate(_ context.Context, bearer string) (principal.Principal, error) {
	if bearer == "nobody-can-tell" {
		return principal.Principal{}, principal.ErrUnavailable
	}
	p, ok := b[bearer]
	if !ok {
		return p, fmt.Errorf("%w: it is no good", principal.ErrUnauthenticated)
	}
	return p, nil
}

// longBearer is a token that is good, but for its length.
var longBearer = strings.Repeat("x", 16<<10+1)

// rig is a screen behind a sign-in, served over TLS.
type rig struct {
	*testing.T

	shop    *shop
	clock   *clock
	issuer  *token.Issuer
	signin  *signin.SignIn
	server  *httptest.Server
	waited  []time.Duration
	behind  error // what waiting for the read model comes to
	touched []string
	mu      sync.Mutex
}

const userAgent = "Mozilla/5.0 (X11; Linux x86_64) Chrome/156.0.0.0"

func setup(t *testing.T, change ...func(*signin.Config)) *rig {
	t.Helper()
	at := &clock{at: time.Now()}
	ring, err := token.OpenKeyring(token.KeyringConfig{Dir: t.TempDir(), Now: at.now})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{
		T: t, clock: at, issuer: &token.Issuer{Keyring: ring, Issuer: "posse", Now: at.now},
		shop: &shop{clock: at, sessions: map[string]string{}, ended: map[string]bool{}},
	}
	r.server = httptest.NewUnstartedServer(nil)
	var logged bytes.Buffer
	config := r.config(slog.New(slog.NewTextHandler(&syncWriter{w: &logged}, nil)))
	for _, c := range change {
		c(&config)
	}
	if config.OIDC != nil && config.OIDC.RedirectURL == "" {
		config.OIDC.RedirectURL = "https://" + r.server.Listener.Addr().String() + signin.PathCallback
	}
	if r.signin, err = signin.New(config); err != nil {
		t.Fatal(err)
	}
	r.serve(config.Logger)
	t.Cleanup(func() {
		for _, secret := range []string{"eyJ", "secret"} {
			if strings.Contains(logged.String(), secret) {
				t.Errorf("the log holds a token or a secret:\n%s", logged.String())
			}
		}
	})
	return r
}

type syncWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *syncWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

func (r *rig) config(logger *slog.Logger) signin.Config {
	return signin.Config{
		Recorder: r.shop, Tokens: r.issuer, Ended: r.shop.isEnded, Now: r.clock.now, Logger: logger,
		Pages: signin.PagesFunc(func(w http.ResponseWriter, _ *http.Request, view signin.View) {
			w.WriteHeader(view.Status)
			_ = json.NewEncoder(w).Encode(view) //nolint:musttag // both ends are here
		}),
		Bearer: bearers{
			"user-token":    {Kind: principal.User, Tenant: "shop", User: "carl", Session: "till-1"},
			"admin-token":   {Kind: principal.Admin, Tenant: "shop", User: "ada", Session: "till-2", Roles: []string{"admin", "cashier"}},
			"auditor-token": {Kind: principal.Auditor, Tenant: "shop", User: "otto", Session: "till-3", Roles: []string{"auditor"}},
			longBearer:      {Kind: principal.Admin, Tenant: "shop", User: "ada", Session: "till-4"},
			"backend-token": {Kind: principal.Backend, Tenant: "shop", KeyID: "k"},
		},
		Name: func(_ context.Context, tenant, user string) (username, display, avatar string) {
			if tenant == "shop" && user == "ada" {
				return "ada", "Ada Lovelace", "https://pos.example/ada.png"
			}
			return "", "", ""
		},
		WaitFor: func(ctx context.Context, position uint64) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			end, _ := ctx.Deadline()
			r.waited = append(r.waited, time.Until(end))
			return r.behind
		},
		Touch: func(key events.Key, ip, userAgent string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.touched = append(r.touched, fmt.Sprint(key, " ", ip, " ", userAgent))
		},
		IsActivity: func(r *http.Request) bool { return r.Header.Get("X-By-Itself") == "" },
	}
}

func (r *rig) serve(logger *slog.Logger) {
	router, _ := httpapi.New(httpapi.Config{Title: "test", Version: "1", Logger: logger})
	r.signin.Register(router)
	guarded := router.With(r.signin.Protection().Handler, r.signin.Require)
	who := func(w http.ResponseWriter, r *http.Request) {
		p, _ := principal.From(r.Context())
		fmt.Fprintf(w, "%s %s of %s in %s", p.Kind, p.User, p.Tenant, p.Session)
	}
	guarded.Get("/", who)
	guarded.Get("/history", who)
	guarded.Post("/end", who)
	r.server.Config.Handler = router
	r.server.StartTLS()
	r.Cleanup(r.server.Close)
}

// browser keeps cookies, and follows redirects if it is told to.
type browser struct {
	*rig

	client  *http.Client
	headers http.Header
}

func (r *rig) browser() *browser {
	r.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		r.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	r.Cleanup(transport.CloseIdleConnections)
	return &browser{rig: r, headers: http.Header{"User-Agent": {userAgent}}, client: &http.Client{
		Jar: jar, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// answer is a response with its body read.
type answer struct {
	*http.Response

	body string
}

// view is what the page of /signin was given.
func (a answer) view(t *testing.T) signin.View {
	t.Helper()
	var view signin.View
	if err := json.Unmarshal([]byte(a.body), &view); err != nil { //nolint:musttag // both ends are here
		t.Fatalf("%s is no page of ours: %s", a.Status, a.body)
	}
	if view.Status != a.StatusCode {
		t.Errorf("status %d, and %d in the view", a.StatusCode, view.Status)
	}
	return view
}

func (b *browser) do(method, path string, form url.Values, headers ...string) answer {
	b.Helper()
	target := path
	if strings.HasPrefix(path, "/") {
		target = b.server.URL + path
	}
	request, err := http.NewRequestWithContext(b.Context(), method, target, strings.NewReader(form.Encode()))
	if err != nil {
		b.Fatal(err)
	}
	maps.Copy(request.Header, b.headers)
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := b.client.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.Fatal(err)
	}
	return answer{response, string(body)}
}

func (b *browser) get(path string, headers ...string) answer {
	b.Helper()
	return b.do(http.MethodGet, path, nil, headers...)
}

func (b *browser) post(path string, form url.Values, headers ...string) answer {
	b.Helper()
	return b.do(http.MethodPost, path, form, headers...)
}

// follow goes where redirects lead within the site.
func (b *browser) follow(a answer) answer {
	b.Helper()
	for range 5 {
		if a.StatusCode != http.StatusSeeOther {
			return a
		}
		a = b.get(a.Header.Get("Location"))
	}
	b.Fatalf("redirects in a circle: %s", a.Header.Get("Location"))
	return a
}

// cookie is what the browser holds.
func (b *browser) cookie() string {
	b.Helper()
	u, err := url.Parse(b.server.URL)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range b.client.Jar.Cookies(u) {
		if c.Name == signin.CookieName {
			return c.Value
		}
	}
	return ""
}

func (r *rig) link(change ...func(*token.Link)) string {
	r.Helper()
	l := token.Link{Tenant: "shop", User: "admin", Roles: []string{"admin", "cashier"}, DisplayName: "Administrator"}
	for _, c := range change {
		c(&l)
	}
	sealed, err := r.issuer.MintLink(l)
	if err != nil {
		r.Fatal(err)
	}
	return sealed
}

// signedIn is a browser of the administrator's.
func (r *rig) signedIn() *browser {
	r.Helper()
	b := r.browser()
	if a := b.post("/signin", url.Values{"link": {r.link()}}); a.StatusCode != http.StatusSeeOther {
		r.Fatalf("signing in is answered with %s: %s", a.Status, a.body)
	}
	return b
}

func (a answer) wantNotice(t *testing.T, status int, notice signin.Notice) signin.View {
	t.Helper()
	view := a.view(t)
	if a.StatusCode != status || view.Notice != notice {
		t.Errorf("answered with %d and %q, want %d and %q", a.StatusCode, view.Notice, status, notice)
	}
	return view
}

// sets returns what an answer says of a cookie.
func (a answer) sets(name string) string {
	for _, line := range a.Header.Values("Set-Cookie") {
		if strings.HasPrefix(line, name+"=") {
			return line
		}
	}
	return ""
}

// drops reports whether an answer has the browser drop its cookie.
func (a answer) drops() bool {
	return strings.HasPrefix(a.sets(signin.CookieName), signin.CookieName+"=;") && strings.Contains(a.sets(signin.CookieName), "Max-Age=0")
}
