package signin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/posse-pos/posse/services/query/signin"
)

func TestABearerSignsIn(t *testing.T) {
	t.Parallel()
	r := setup(t)
	for bearer, want := range map[string]string{
		"user-token": "user carl of shop in ", "admin-token": "admin ada of shop in ", "auditor-token": "auditor otto of shop in ",
	} {
		b := r.browser()
		a := b.follow(b.post("/signin", url.Values{"token": {bearer}}))
		login := r.shop.lastLogin()
		if a.body != want+login.Session || strings.HasPrefix(login.Session, "till-") {
			t.Errorf("%s: signed in as %s", bearer, a.body)
		}
		if bearer == "admin-token" && (login.Personal.DisplayName != "Ada Lovelace" || login.Personal.Username != "ada" ||
			login.Personal.AvatarURL != "https://pos.example/ada.png") {
			t.Errorf("%s is called %+v", bearer, login.Personal)
		}
		if bearer == "user-token" && (login.Personal.DisplayName != "carl" || login.Personal.Username != "carl") {
			t.Errorf("%s is called %+v", bearer, login.Personal)
		}
	}
}

func TestBearersThatAreNotGood(t *testing.T) {
	t.Parallel()
	r := setup(t)
	for name, form := range map[string]url.Values{
		"unknown": {"token": {"whatever"}}, "a backend's": {"token": {"backend-token"}}, "none": {}, "empty": {"token": {""}},
		"too long": {"token": {longBearer}}, "with a link": {"token": {"admin-token"}, "link": {r.link()}},
	} {
		a := r.browser().post("/signin", form)
		a.wantNotice(t, http.StatusForbidden, signin.NoticeBadToken)
		if a.sets(signin.CookieName) != "" {
			t.Errorf("%s: a cookie is set", name)
		}
	}
	a := r.browser().post("/signin", url.Values{"token": {"nobody-can-tell"}})
	a.wantNotice(t, http.StatusServiceUnavailable, signin.NoticeUnavailable)
	r.browser().post("/signin?token=admin-token", nil).wantNotice(t, http.StatusForbidden, signin.NoticeBadToken)

	none := setup(t, func(c *signin.Config) { c.Bearer = nil })
	none.browser().post("/signin", url.Values{"token": {"admin-token"}}).wantNotice(t, http.StatusForbidden, signin.NoticeBadToken)
	if len(r.shop.logins)+len(none.shop.logins) != 0 {
		t.Error("a login was recorded")
	}
}

func TestPostsThatAreTooMuch(t *testing.T) {
	t.Parallel()
	r := setup(t)
	a := r.browser().post("/signin", url.Values{"token": {"admin-token"}, "more": {strings.Repeat("x", 64<<10)}})
	a.wantNotice(t, http.StatusRequestEntityTooLarge, signin.NoticeBadToken)
	a = r.browser().post("/signin", url.Values{}, "Content-Type", "application/x-www-form-urlencoded; =")
	a.wantNotice(t, http.StatusBadRequest, signin.NoticeBadToken)
	a = r.browser().post("/signin", url.Values{"token": {"admin-token"}}, "Content-Type", "application/json")
	a.wantNotice(t, http.StatusForbidden, signin.NoticeBadToken)
}

func TestOtherSites(t *testing.T) {
	t.Parallel()
	r := setup(t, func(c *signin.Config) { c.FrameAncestors = []string{"https://admin.example"} })
	form := url.Values{"token": {"admin-token"}}
	for name, test := range map[string]struct {
		headers []string
		allowed bool
	}{
		"another site":           {[]string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, false},
		"a sibling":              {[]string{"Sec-Fetch-Site", "same-site", "Origin", "https://www.admin.example"}, false},
		"an old browser":         {[]string{"Origin", "https://evil.example"}, false},
		"a page without origin":  {[]string{"Sec-Fetch-Site", "cross-site", "Origin", "null"}, false},
		"plain http of a friend": {[]string{"Sec-Fetch-Site", "cross-site", "Origin", "http://admin.example"}, false},
		"who may embed":          {[]string{"Sec-Fetch-Site", "cross-site", "Origin", "https://admin.example"}, true},
		"our own page":           {[]string{"Sec-Fetch-Site", "same-origin", "Origin", r.server.URL}, true},
		"our own, without":       {[]string{"Origin", r.server.URL}, true},
	} {
		for _, path := range []string{"/signin", "/signout"} {
			a := r.browser().post(path, form, test.headers...)
			if allowed := a.StatusCode == http.StatusSeeOther; allowed != test.allowed || !allowed && a.StatusCode != http.StatusForbidden {
				t.Errorf("%s posts to %s: %s", name, path, a.Status)
			}
		}
		b := r.signedIn()
		if a := b.post("/end", nil, test.headers...); (a.StatusCode == http.StatusOK) != test.allowed {
			t.Errorf("%s posts to /end: %s", name, a.Status)
		}
		if a := b.get("/", test.headers...); a.StatusCode != http.StatusOK {
			t.Errorf("%s links to /: %s", name, a.Status)
		}
	}
}
