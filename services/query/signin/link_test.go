package signin_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/pkg/token"
	"github.com/posse-pos/posse/services/query/signin"
)

func TestALinkSignsIn(t *testing.T) {
	t.Parallel()
	r := setup(t)
	b, link := r.browser(), r.link()
	for range 2 { // looking uses nothing up
		a := b.get("/signin?next=/history&link=" + link)
		view := a.wantNotice(t, http.StatusOK, "")
		want := signin.View{
			Status: http.StatusOK, Link: link, Next: "/history", Expires: r.clock.now().UTC().Add(token.LinkLifetime).Truncate(time.Second),
			Who: signin.Identity{Tenant: "shop", User: "admin", DisplayName: "Administrator", Roles: []string{"admin"}},
		}
		if diff := cmp.Diff(want, view); diff != "" {
			t.Error(diff)
		}
		for name, value := range map[string]string{
			"Referrer-Policy": "same-origin", "Cache-Control": "no-store", "Accept-CH": "Sec-CH-UA-Platform-Version, Sec-CH-UA-Model",
		} {
			if a.Header.Get(name) != value {
				t.Errorf("%s: %q", name, a.Header.Get(name))
			}
		}
	}
	a := b.post("/signin", url.Values{"link": {link}, "next": {"/history"}})
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/signin?check=1&next=%2Fhistory" {
		t.Fatalf("%s to %s: %s", a.Status, a.Header.Get("Location"), a.body)
	}
	a = b.follow(a)
	if session := r.shop.lastLogin().Session; a.body != "admin "+"admin of shop in "+session || a.Request.URL.Path != "/history" {
		t.Errorf("after signing in: %s", a.body)
	}
	if len(r.waited) != 1 || r.waited[0] > 3*time.Second || r.waited[0] <= 0 {
		t.Errorf("waited for the read model %v", r.waited)
	}
}

func TestASignInIsARecordedLogin(t *testing.T) {
	t.Parallel()
	r := setup(t)
	b := r.browser()
	long := "\xffx" + strings.Repeat("ü", events.MaxUserAgent) // cut within a character, if bytes were counted
	b.post("/signin", url.Values{"link": {r.link()}},
		"User-Agent", long, "Sec-CH-UA-Platform", `"macOS"`, "Sec-CH-UA-Mobile", "?0", "Sec-CH-UA-Model", strings.Repeat("m", 999),
		"Sec-CH-UA-Bitness", "64")
	got := r.shop.lastLogin()
	if len(got.Roles) != 1 || !strings.HasPrefix(got.Roles[0], "attempt-") || !strings.HasPrefix(got.Session, "link-") {
		t.Errorf("session %q, roles %q", got.Session, got.Roles)
	}
	got.Roles, got.Session = nil, ""
	want := commands.Login{
		Caller: commands.Caller{
			Principal: principal.Principal{Kind: principal.Backend, Tenant: "shop", KeyID: "screen"}, IP: "127.0.0.1",
		},
		User: "admin", Platform: "web", Expires: r.clock.now().UTC().Truncate(time.Second).Add(signin.DefaultLifetime),
		Personal: events.LoginPersonal{
			Username: "admin", DisplayName: "Administrator", UserAgent: "x" + strings.Repeat("ü", events.MaxUserAgent/2-1), IP: "127.0.0.1",
			ClientHints: map[string]string{
				"Sec-CH-UA-Platform": `"macOS"`, "Sec-CH-UA-Mobile": "?0", "Sec-CH-UA-Model": strings.Repeat("m", events.MaxClientHint),
			},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestALinkIsGoodOnce(t *testing.T) {
	t.Parallel()
	r := setup(t)
	link := r.link()
	first := r.browser()
	first.post("/signin", url.Values{"link": {link}})
	a := r.browser().post("/signin", url.Values{"link": {link}})
	a.wantNotice(t, http.StatusGone, signin.NoticeUsedLink)
	if a.sets(signin.CookieName) != "" {
		t.Error("a used link is answered with a cookie")
	}
	first.post("/signout", nil)
	r.browser().post("/signin", url.Values{"link": {link}}).wantNotice(t, http.StatusGone, signin.NoticeUsedLink)
	if other := r.browser().post("/signin", url.Values{"link": {r.link()}}); other.StatusCode != http.StatusSeeOther {
		t.Errorf("another link is answered with %s", other.Status)
	}
}

// TestOneOfManyWins redeems a link in browsers that look the same, at once.
func TestOneOfManyWins(t *testing.T) {
	t.Parallel()
	r := setup(t)
	for range 20 {
		link := r.link()
		var all sync.WaitGroup
		var mu sync.Mutex
		answers := map[string]int{}
		for range 8 {
			b := r.browser()
			all.Go(func() {
				a := b.post("/signin", url.Values{"link": {link}})
				mu.Lock()
				defer mu.Unlock()
				answers[fmt.Sprint(a.StatusCode, " ", a.sets(signin.CookieName) != "")]++
			})
		}
		all.Wait()
		if diff := cmp.Diff(map[string]int{"303 true": 1, "410 false": 7}, answers); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestLinksThatAreNotGood(t *testing.T) {
	t.Parallel()
	r := setup(t)
	good := r.link()
	pair, err := r.issuer.Mint(token.Grant{Tenant: "shop", User: "ada", Session: "s", Roles: []string{"admin"}, Expires: r.clock.now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	old := r.link()
	for name, link := range map[string]string{
		"garbage": "abc", "cut off": good[:len(good)-5], "an access token": pair.Access, "a refresh token": pair.Refresh,
		"a cookie": r.signedIn().cookie(), "long": strings.Repeat("x", 20<<10),
	} {
		r.browser().get("/signin?link="+link).wantNotice(t, http.StatusBadRequest, signin.NoticeBadLink)
		a := r.browser().post("/signin", url.Values{"link": {link}})
		if view := a.wantNotice(t, http.StatusBadRequest, signin.NoticeBadLink); view.Link != "" || a.sets(signin.CookieName) != "" {
			t.Errorf("%s: %+v", name, view)
		}
	}
	r.clock.forward(token.LinkLifetime)
	r.browser().get("/signin?link="+old).wantNotice(t, http.StatusGone, signin.NoticeExpiredLink)
	r.browser().post("/signin", url.Values{"link": {old}}).wantNotice(t, http.StatusGone, signin.NoticeExpiredLink)
}

func TestATenantMayAllowLess(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop.longest = time.Hour
	b := r.signedIn()
	if got := r.shop.lastLogin(); !got.Expires.IsZero() {
		t.Errorf("the login expires at %s", got.Expires)
	}
	r.clock.forward(59 * time.Minute)
	if a := b.get("/"); a.StatusCode != http.StatusOK {
		t.Errorf("within the hour: %s", a.Status)
	}
	r.clock.forward(time.Minute)
	if a := b.get("/"); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/signin?notice=ended" || !a.drops() {
		t.Errorf("after it: %s to %s", a.Status, a.Header.Get("Location"))
	}
}

func TestARecorderThatIsAway(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop.change(func() {
		r.shop.away = commands.Retry(commands.ReasonUnavailable, time.Second, "no recorder is running")
	})
	b, link := r.browser(), r.link()
	a := b.post("/signin", url.Values{"link": {link}})
	a.wantNotice(t, http.StatusServiceUnavailable, signin.NoticeUnavailable)
	if a.Header.Get("Retry-After") == "" || a.sets(signin.CookieName) != "" {
		t.Errorf("headers are %v", a.Header)
	}
	r.shop.change(func() { r.shop.away = nil })
	if a := b.post("/signin", url.Values{"link": {link}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the link is good later: %s", a.Status)
	}
}

func TestSigningInAgainEndsTheSessionBefore(t *testing.T) {
	t.Parallel()
	r := setup(t)
	b := r.signedIn()
	before := r.shop.lastLogin().Session
	b.post("/signin", url.Values{"link": {r.link(func(l *token.Link) { l.User = "eve" })}})
	if len(r.shop.ends) != 1 || r.shop.ends[0].Session != before || r.shop.ends[0].Caller.Principal.User != "admin" {
		t.Errorf("ended %+v", r.shop.ends)
	}
	if a := b.get("/"); !strings.HasPrefix(a.body, "admin eve of shop") {
		t.Errorf("signed in as %s", a.body)
	}
}

// TestASignInDoesNotDependOnOthers goes on without the read model, and when the
// session before cannot be ended.
func TestASignInDoesNotDependOnOthers(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.behind = commands.Retry(commands.ReasonBehind, time.Second, "the read model did not reach that position in time")
	b := r.signedIn()
	r.shop.change(func() { r.shop.stuck = commands.NewError(commands.ReasonInternal, "something went wrong") })
	a := b.post("/signin", url.Values{"link": {r.link(func(l *token.Link) { l.User = "eve" })}})
	if a := b.follow(a); !strings.HasPrefix(a.body, "admin eve of shop") {
		t.Errorf("%s: %s", a.Status, a.body)
	}
	b.post("/signout", nil).wantNotice(t, http.StatusServiceUnavailable, signin.NoticeUnavailable)
}

// TestABrowserWithoutCookies is one that came over plain http.
func TestABrowserWithoutCookies(t *testing.T) {
	t.Parallel()
	r := setup(t)
	b := r.browser()
	b.client.Jar = nil
	a := b.post("/signin", url.Values{"link": {r.link()}, "next": {"/history"}})
	view := b.follow(a).wantNotice(t, http.StatusBadRequest, signin.NoticeNoCookie)
	if view.Next != "/history" {
		t.Errorf("next is %q", view.Next)
	}
}
