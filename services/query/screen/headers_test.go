package screen_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/services/query/screen"
	"github.com/posse-pos/posse/services/query/signin"
)

const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// answers are what the screen answers of every kind.
func answers(r *rig) map[string]answer {
	r.fleet.reports(1, 0, 0)
	all := map[string]answer{
		"page":         r.get("anna", "/?user=carl"),
		"head":         r.send("anna", http.MethodHead, "/", ""),
		"pane":         r.pane("anna", "section#sessions", "/?user=carl"),
		"list":         r.pane("anna", "div#user-list-pane", "/users"),
		"more":         r.get("anna", "/users?after=x"),
		"dialog":       r.pane("anna", "div#dialog-body", "/end?user=carl&all=1"),
		"question":     r.get("anna", "/end?user=carl&all=1"),
		"outcome":      r.pane("anna", "div#outcome-body", "/outcome?position=1"),
		"unknown":      r.get("anna", "/?user=nobody"),
		"bad moment":   r.get("anna", "/?at=x"),
		"bad form":     r.post("anna", form()),
		"forbidden":    r.get("otto", "/end?user=carl&all=1"),
		"no avatar":    r.get("anna", "/avatar?user=carl"),
		"not live":     r.get("anna", "/live"),
		"signed out":   r.get("nobody", "/"),
		"cross-origin": r.post("anna", form("user", "carl", "all", "1"), "Sec-Fetch-Site", "cross-site"),
		"sign-in":      r.signInPage(signin.View{Status: http.StatusOK}, "en"),
	}
	r.ender.away = commands.ErrInternal
	all["failed"] = r.post("anna", form("user", "carl", "all", "1"))
	r.reader.change(func() { r.reader.fails = errAway })
	all["away"] = r.get("anna", "/")
	return all
}

func TestEveryAnswerHasTheHeadersOfAPage(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	for name, a := range answers(r) {
		h := a.Header()
		same(t, name+": policy", h.Get("Content-Security-Policy"), policy)
		same(t, name+": opener", h.Get("Cross-Origin-Opener-Policy"), "same-origin")
		same(t, name+": referrer", h.Get("Referrer-Policy"), "same-origin")
		same(t, name+": permissions", h.Get("Permissions-Policy"), "camera=(), geolocation=(), microphone=()")
		if name == "sign-in" {
			continue // its caching and sniffing are the API's middleware's, which it is not behind here
		}
		same(t, name+": sniffing", h.Get("X-Content-Type-Options"), "nosniff")
		same(t, name+": caching", h.Get("Cache-Control"), "no-store")
	}
}

// A script shows what says so, and nothing else: a proxy's page has no such header.
func TestEveryPartOfTheScreenSaysWhenItWasMade(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	for name, a := range answers(r) {
		want := ""
		if strings.HasPrefix(a.Header().Get("Content-Type"), "text/html") && a.Header().Get("Location") == "" {
			want = strconv.FormatInt(r.clock.now().UnixMilli(), 10)
		}
		same(t, name, a.Header().Get("Posse-Now"), want)
	}
}

func TestTheScreenMayBeInAFrameOfWhoIsNamed(t *testing.T) {
	t.Parallel()
	r := setup(t, func(c *screen.Config) { c.FrameAncestors = []string{"https://admin.example", "'self'"} })
	got := r.get("anna", "/").Header().Get("Content-Security-Policy")
	if !strings.HasSuffix(got, "; frame-ancestors https://admin.example 'self'") {
		t.Errorf("the policy is %s", got)
	}
}

func TestNoPageHasAScriptOrStyleInIt(t *testing.T) {
	t.Parallel()
	r := everything(t)
	everyPage(r, "en", func(name string, page *node) {
		page.walk(func(n *node) {
			inline := n.tag == "style" || n.tag == "script" && (n.attr["src"] == "" || n.says() != "")
			for attribute := range n.attr {
				inline = inline || attribute == "style" || strings.HasPrefix(attribute, "on") || strings.HasPrefix(attribute, "hx-on")
			}
			if inline {
				t.Errorf("%s has <%s %v>", name, n.tag, n.attr)
			}
			if n.tag == "iframe" || n.tag == "base" || n.tag == "object" || n.tag == "embed" {
				t.Errorf("%s has a <%s>", name, n.tag)
			}
		})
	})
}

func TestEveryAddressOnAPageIsOurs(t *testing.T) {
	t.Parallel()
	r := everything(t)
	everyPage(r, "en", func(name string, page *node) {
		page.walk(func(n *node) {
			for attribute, value := range n.attr {
				if isAddress(attribute) && (!strings.HasPrefix(value, "/") || strings.HasPrefix(value, "//")) && !strings.HasPrefix(value, "#") {
					t.Errorf("%s has <%s %s=%q>", name, n.tag, attribute, value)
				}
			}
		})
	})
}

func TestOtherSitesCannotPost(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	sent := form("user", "carl", "session", "carl-1")
	for _, header := range [][]string{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"},
	} {
		if a := r.post("anna", sent, header...); a.Code != http.StatusForbidden {
			t.Errorf("%v is answered %d", header, a.Code)
		}
	}
	if ones, _ := r.ender.given(); len(ones) != 0 {
		t.Errorf("something was ended: %v", ones)
	}
	r.post("anna", sent, "Sec-Fetch-Site", "same-origin")
	if ones, _ := r.ender.given(); len(ones) != 1 {
		t.Error("our own form is refused")
	}
}

func TestWhoHasNotSignedInSeesNothing(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	for _, path := range []string{"/", "/?user=carl", "/users", "/end?user=carl&all=1", "/outcome?position=1", "/live", "/avatar?user=carl"} {
		if a := r.get("nobody", path); a.Code != http.StatusSeeOther || strings.Contains(a.body(), "carl.n") {
			t.Errorf("%s is answered %d", path, a.Code)
		}
	}
	if a := r.post("nobody", form("user", "carl", "all", "1")); a.Code != http.StatusSeeOther {
		t.Errorf("a form is answered %d", a.Code)
	}
}

func TestHeadIsAnsweredLikeGet(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	web := httptest.NewServer(r.handler)
	defer web.Close()
	for path, want := range map[string]int{"/": 200, "/?user=carl": 200, "/?user=nobody": 404, "/end?user=carl&all=1": 200, "/?at=x": 422, "/end": 404} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodHead, web.URL+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Test-Who", "anna")
		response, err := web.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want || response.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("HEAD %s is answered %d %s", path, response.StatusCode, response.Header.Get("Content-Type"))
		}
	}
}

func TestMethodsThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	for _, path := range []string{"/", "/users", "/end", "/live"} {
		if a := r.send("anna", http.MethodDelete, path, ""); a.Code != http.StatusMethodNotAllowed {
			t.Errorf("DELETE %s is answered %d", path, a.Code)
		}
	}
	if a := r.send("anna", http.MethodPost, "/", ""); a.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST / is answered %d", a.Code)
	}
}

func TestWhatIsActivity(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{
		"/": true, "/?user=carl": true, "/users?q=a": true, "/end": true, "/outcome": true,
		"/live": false, "/live?user=carl": false, "/?user=carl&refresh=5": false, "/users?refresh=&rows=5": false, "/outcome?position=1&refresh=": false,
	} {
		if got := screen.IsActivity(httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)); got != want {
			t.Errorf("%s is activity: %v", path, got)
		}
	}
}

func TestAStreamThatIsRefusedSaysWhenToComeBack(t *testing.T) {
	t.Parallel()
	r := setup(t) // whose hub does not run
	a := r.get("anna", "/live")
	if a.Code != http.StatusServiceUnavailable || a.Header().Get("Retry-After") == "" {
		t.Errorf("answer %d %v", a.Code, a.Header())
	}
}

func TestTheSignInPage(t *testing.T) {
	t.Parallel()
	r := setup(t)
	link := r.signInPage(signin.View{
		Status: http.StatusOK, Link: "tok<en", Next: "/?user=carl&q=a", Expires: afternoon.Add(10*time.Minute + 5*time.Millisecond),
		Who: signin.Identity{Tenant: "shop", User: "anna", DisplayName: "Anna <b>"},
	}, "en").want(http.StatusOK)
	same(t, "link", link.one("input[name=link]").attr["value"], "tok<en")
	same(t, "next", link.one("input[name=next]").attr["value"], "/?user=carl&q=a")
	contains(t, "text", link.one("form").says(), "This link signs you in as Anna <b> (tenant shop). It can be used once, until 2026-11-20 14:15 UTC.")
	if link.one("form").attr["method"] != "post" || link.count("#token") != 0 {
		t.Error("the link is not confirmed by a form alone")
	}
	for _, other := range link.values("nav.languages a", "href") {
		if !strings.HasPrefix(other, "/signin?") || !strings.Contains(other, "link=the-link") {
			t.Errorf("%s loses the link", other)
		}
	}

	provider := r.signInPage(signin.View{Status: http.StatusOK, Provider: "Example <ID>", Next: "/?q=a&user=b"}, "en").want(http.StatusOK)
	same(t, "provider", provider.one("a.button").attr["href"], "/signin/oidc?next=%2f%3fq%3da%26user%3db")
	contains(t, "provider", provider.one("a.button").says(), "Example <ID>")

	plain := r.signInPage(signin.View{Status: http.StatusUnauthorized, Notice: signin.NoticeEnded, Next: "/"}, "en").want(http.StatusUnauthorized)
	contains(t, "notice", plain.one("[role=status]").says(), "Your session has ended.")
	contains(t, "command", plain.one("code").says(), "posse admin-link")
	same(t, "token", plain.one("form textarea").attr["name"], "token")
	if plain.count("#account") != 0 || plain.count("#live") != 0 {
		t.Error("who has not signed in has an account")
	}
}
