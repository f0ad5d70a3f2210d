package signin_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/pkg/token"
	"github.com/posse-pos/posse/services/query/signin"
)

func TestTheCookie(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ancestors []string
		want      string
	}{
		"alone":    {nil, "; Path=/; Max-Age=43200; HttpOnly; Secure; SameSite=Lax"},
		"embedded": {[]string{"https://admin.example"}, "; Path=/; Max-Age=43200; HttpOnly; Secure; SameSite=None; Partitioned"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := setup(t, func(c *signin.Config) { c.FrameAncestors = test.ancestors })
			// Whole seconds, so that none gets lost.
			r.clock.at = r.clock.at.Truncate(time.Second)
			set := r.browser().post("/signin", url.Values{"link": {r.link()}}).sets("__Host-posse")
			value, attributes, _ := strings.Cut(set, ";")
			if ";"+attributes != test.want || strings.Count(value, ".") != 2 || len(set) > 4096 {
				t.Errorf("the cookie is %q", set)
			}
			dropped := r.signedIn().post("/signout", nil).sets("__Host-posse")
			if want := "__Host-posse=" + strings.Replace(test.want, "43200", "0", 1); dropped != want {
				t.Errorf("it is dropped by %q, want %q", dropped, want)
			}
		})
	}
}

func TestWhoIsNobody(t *testing.T) {
	t.Parallel()
	r := setup(t)
	ask := func(headers ...string) answer { return r.browser().get("/history?user=ada", headers...) }
	a := ask()
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/signin?next=%2Fhistory%3Fuser%3Dada" || a.drops() {
		t.Errorf("a page: %s to %s", a.Status, a.Header.Get("Location"))
	}
	a = ask("HX-Request", "true", "HX-Current-URL", r.server.URL+"/history?user=bob#x")
	if a.StatusCode != http.StatusUnauthorized || a.Header.Get("Hx-Redirect") != "/signin?next=%2Fhistory%3Fuser%3Dbob&notice=ended" {
		t.Errorf("a script: %s to %s", a.Status, a.Header.Get("Hx-Redirect"))
	}
	for name, headers := range map[string][]string{
		"an event stream":           {"Accept", "text/event-stream"},
		"an event stream over TLS":  {"Accept", "text/event-stream", "Sec-Fetch-Mode", "cors"},
		"what is no page":           {"Sec-Fetch-Mode", "no-cors"},
		"a script from nowhere":     {"HX-Request", "true", "HX-Current-URL", "::"},
		"a script from another one": {"HX-Request", "true", "HX-Current-URL", "https://evil.example//evil.example"},
	} {
		if a := ask(headers...); a.StatusCode != http.StatusUnauthorized || strings.Contains(a.Header.Get("Hx-Redirect"), "evil") {
			t.Errorf("%s: %s to %q", name, a.Status, a.Header.Get("Hx-Redirect"))
		}
	}
	if a := r.browser().post("/end", nil); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("a POST: %s", a.Status)
	}
	a = r.browser().post("/end", nil, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "same-origin")
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/signin" {
		t.Errorf("a form: %s to %s", a.Status, a.Header.Get("Location"))
	}
}

func TestARevokedSessionIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	r := setup(t)
	b := r.signedIn()
	if a := b.get("/"); a.StatusCode != http.StatusOK {
		t.Fatal(a.Status)
	}
	r.shop.change(func() { r.shop.ended[r.shop.logins[0].Session] = true })
	if a := b.get("/", "HX-Request", "true"); a.StatusCode != http.StatusUnauthorized || a.Header.Get("Hx-Redirect") != "/signin?notice=ended" {
		t.Errorf("a script: %s to %s", a.Status, a.Header.Get("Hx-Redirect"))
	}
	b = r.signedIn()
	r.shop.change(func() { r.shop.ended[r.shop.logins[1].Session] = true })
	a := b.get("/history")
	if a.StatusCode != http.StatusSeeOther || !a.drops() {
		t.Fatalf("%s, dropped: %t", a.Status, a.drops())
	}
	b.follow(a).wantNotice(t, http.StatusOK, signin.NoticeEnded)
	if b.cookie() != "" {
		t.Error("the cookie is still there")
	}
}

func TestThatNobodyCanTellSignsNobodyOut(t *testing.T) {
	t.Parallel()
	r := setup(t)
	b := r.signedIn()
	r.shop.change(func() { r.shop.blind = errors.New("the read model does not answer") })
	for name, headers := range map[string][]string{
		"a page": nil, "a script": {"HX-Request", "true"}, "an event stream": {"Accept", "text/event-stream"},
	} {
		a := b.get("/history", headers...)
		if a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || a.sets("__Host-posse") != "" {
			t.Errorf("%s: %s, %v", name, a.Status, a.Header)
		}
	}
	if view := b.get("/history").wantNotice(t, http.StatusServiceUnavailable, signin.NoticeUnavailable); view.Next != "/history" {
		t.Errorf("next is %q", view.Next)
	}
	b.get("/signin").wantNotice(t, http.StatusServiceUnavailable, signin.NoticeUnavailable)
	r.shop.change(func() { r.shop.blind = nil })
	if a := b.get("/"); a.StatusCode != http.StatusOK {
		t.Errorf("later: %s", a.Status)
	}
}

func TestCookiesThatAreNotGood(t *testing.T) {
	t.Parallel()
	r := setup(t)
	pair, err := r.issuer.Mint(token.Grant{Tenant: "shop", User: "ada", Session: "s", Roles: []string{"admin"}, Expires: r.clock.now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	request, err := r.issuer.SealAuthRequest(token.AuthRequest{State: "s", Nonce: "n", Verifier: "v"})
	if err != nil {
		t.Fatal(err)
	}
	good := r.signedIn().cookie()
	for name, value := range map[string]string{
		"empty": "", "garbage": "abc", "cut off": good[:len(good)-5], "an access token": pair.Access, "a refresh token": pair.Refresh,
		"a link": r.link(), "an authorization request": request, "another keyring's": setup(t).signedIn().cookie(),
	} {
		b := r.browser()
		b.client.Jar = nil
		a := b.get("/", "Cookie", "__Host-posse="+value)
		if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/signin?notice=ended" || !a.drops() {
			t.Errorf("%s: %s to %s, dropped: %t", name, a.Status, a.Header.Get("Location"), a.drops())
		}
	}
	b := r.browser()
	b.client.Jar = nil
	if a := b.get("/", "Cookie", "__Host-posse=abc; __Host-posse="+good); a.StatusCode != http.StatusOK {
		t.Errorf("a good one beside one that is not: %s", a.Status)
	}
	a := b.get("/signin?notice=signed_out", "Cookie", "__Host-posse=abc")
	a.wantNotice(t, http.StatusOK, signin.NoticeSignedOut)
	if !a.drops() {
		t.Error("a bad one stays")
	}
	if a := b.get("/", "Cookie", "posse="+good); a.StatusCode != http.StatusSeeOther {
		t.Errorf("a cookie of another name: %s", a.Status)
	}
}

func TestWhoHasSignedInNeedNotAgain(t *testing.T) {
	t.Parallel()
	r := setup(t)
	b := r.signedIn()
	for path, want := range map[string]string{
		"/signin": "/", "/signin?notice=ended": "/", "/signin?next=/history": "/history", "/signin?next=https://evil.example/": "/",
	} {
		if a := b.get(path); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != want {
			t.Errorf("%s: %s to %s, want %s", path, a.Status, a.Header.Get("Location"), want)
		}
	}
}

// TestNoticesOfOthers are those that a link from elsewhere may carry.
func TestNoticesOfOthers(t *testing.T) {
	t.Parallel()
	r := setup(t)
	for query, want := range map[string]signin.Notice{
		"": "", "?notice=ended": signin.NoticeEnded, "?notice=signed_out": signin.NoticeSignedOut,
		"?notice=bad_token": "", "?notice=Call+0900-666": "",
	} {
		r.browser().get("/signin"+query).wantNotice(t, http.StatusOK, want)
	}
}

func TestSigningOut(t *testing.T) {
	t.Parallel()
	r := setup(t)
	b := r.signedIn()
	session := r.shop.lastLogin().Session
	a := b.post("/signout", nil)
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/signin?notice=signed_out" || !a.drops() {
		t.Errorf("%s to %s, dropped: %t", a.Status, a.Header.Get("Location"), a.drops())
	}
	if len(r.shop.ends) != 1 || r.shop.ends[0].Session != session || r.shop.ends[0].Caller.IP != "127.0.0.1" ||
		r.shop.ends[0].Caller.Principal.Kind != principal.Admin || r.shop.ends[0].Caller.Principal.Session != session {
		t.Errorf("ended %+v", r.shop.ends)
	}
	b.follow(a).wantNotice(t, http.StatusOK, signin.NoticeSignedOut)

	b = r.signedIn()
	r.shop.change(func() { r.shop.ended[r.shop.logins[1].Session] = true })
	if a := b.post("/signout", nil); a.StatusCode != http.StatusSeeOther || !a.drops() {
		t.Errorf("of a session that has ended: %s", a.Status)
	}
	if a := r.browser().post("/signout", nil); a.StatusCode != http.StatusSeeOther {
		t.Errorf("of nobody: %s", a.Status)
	}
	if a := r.signedIn().get("/signout"); a.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("by GET: %s", a.Status)
	}
	w := httptest.NewRecorder()
	r.signin.SignOut(w, httptest.NewRequest(http.MethodGet, "/signout", http.NoBody))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != http.MethodPost {
		t.Errorf("by GET, from another route: %d", w.Code)
	}
}

func TestSigningOutWhileOthersAreAway(t *testing.T) {
	t.Parallel()
	r := setup(t)
	b := r.signedIn()
	r.shop.change(func() {
		r.shop.blind = errors.New("the read model does not answer")
		r.shop.away = commands.Retry(commands.ReasonUnavailable, time.Second, "no recorder is running")
	})
	a := b.post("/signout", nil)
	a.wantNotice(t, http.StatusServiceUnavailable, signin.NoticeUnavailable)
	if b.cookie() == "" {
		t.Error("the cookie is gone, and the session goes on")
	}
	r.shop.change(func() { r.shop.away = nil })
	if a := b.post("/signout", nil); a.StatusCode != http.StatusSeeOther || len(r.shop.ends) != 1 {
		t.Errorf("without the read model: %s, %+v", a.Status, r.shop.ends)
	}
}

func TestActivity(t *testing.T) {
	t.Parallel()
	r := setup(t)
	b := r.signedIn()
	b.get("/")
	b.get("/history", "X-By-Itself", "yes")
	r.browser().get("/")
	if want := "{shop admin " + r.shop.lastLogin().Session + "} 127.0.0.1 " + userAgent; len(r.touched) != 1 || r.touched[0] != want {
		t.Errorf("touched %q, want %q", r.touched, want)
	}
}

func TestForget(t *testing.T) {
	t.Parallel()
	r := setup(t)
	w := httptest.NewRecorder()
	r.signin.Forget(w)
	if got := (answer{Response: w.Result()}); !got.drops() {
		t.Errorf("headers are %v", w.Header())
	}
}

func TestConfigsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	r := setup(t)
	for name, change := range map[string]func(*signin.Config){
		"no recorder":        func(c *signin.Config) { c.Recorder = nil },
		"no tokens":          func(c *signin.Config) { c.Tokens = nil },
		"no Ended":           func(c *signin.Config) { c.Ended = nil },
		"no pages":           func(c *signin.Config) { c.Pages = nil },
		"an ancestor's path": func(c *signin.Config) { c.FrameAncestors = []string{"https://admin.example/embed"} },
		"any ancestor":       func(c *signin.Config) { c.FrameAncestors = []string{"*"} },
	} {
		config := r.config(nil)
		change(&config)
		if _, err := signin.New(config); !errors.Is(err, signin.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
