package signin_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/storage"

	"github.com/posse-pos/posse/services/query/signin"
	"github.com/posse-pos/posse/services/query/signin/oidctest"
)

func TestAProviderSignsIn(t *testing.T) {
	t.Parallel()
	confidential := func(c *signin.OIDC) { c.ClientID, c.ClientSecret = oidctest.ConfidentialClient, oidctest.ClientSecret }
	for name, test := range map[string]struct {
		user   string
		change func(*signin.OIDC)
		want   string
	}{
		"an administrator":      {oidctest.Boss, func(*signin.OIDC) {}, "admin id1 of shop in "},
		"with a secret":         {oidctest.Boss, confidential, "admin id1 of shop in "},
		"an auditor":            {oidctest.Cashier, func(*signin.OIDC) {}, "auditor id2 of shop in "},
		"anybody else":          {oidctest.Boss, func(c *signin.OIDC) { c.AdminValues = []string{"others"} }, "user id1 of shop in "},
		"nobody is anything":    {oidctest.Boss, func(c *signin.OIDC) { c.AdminValues = nil }, "user id1 of shop in "},
		"a tenant by its claim": {oidctest.Boss, func(c *signin.OIDC) { c.Tenant, c.TenantClaim = "", "org.id" }, "admin id1 of shop in "},
		"a user by a claim":     {oidctest.Boss, func(c *signin.OIDC) { c.UserClaim = "number" }, "admin 42 of shop in "},
		"roles by a path":       {oidctest.Boss, func(c *signin.OIDC) { c.RolesClaim, c.AdminValues = "org.id", []string{"shop"} }, "admin id1 of shop in "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := provide(t)
			r := o.admit(setup(t, o.use(test.change)))
			b := r.browser()
			if view := b.get("/signin").view(t); view.Provider != strings.TrimPrefix(o.Issuer, "http://") {
				t.Errorf("the provider is called %q", view.Provider)
			}
			back := b.get(b.leave(test.user))
			if back.StatusCode != http.StatusSeeOther || !strings.Contains(back.sets("__Host-posse-oidc"), "Max-Age=0") {
				t.Fatalf("coming back is answered with %s: %s", back.Status, back.body)
			}
			a := b.follow(back)
			if want := test.want + r.shop.lastLogin().Session; a.body != want || a.Request.URL.Path != "/history" {
				t.Errorf("signed in as %q at %s, want %q", a.body, a.Request.URL.Path, want)
			}
		})
	}
}

// TestNamesOfTheProvider are in no ID token of this provider: posse has to ask.
func TestNamesOfTheProvider(t *testing.T) {
	t.Parallel()
	o := provide(t)
	r := o.admit(setup(t, o.use()))
	b := r.browser()
	b.get(b.leave(oidctest.Boss))
	if got := r.shop.lastLogin().Personal; got.Username != oidctest.Boss || got.DisplayName != "Test User" {
		t.Errorf("they are called %+v", got)
	}
}

func TestTheRequestToTheProvider(t *testing.T) {
	t.Parallel()
	o := provide(t)
	r := o.admit(setup(t, o.use(func(c *signin.OIDC) { c.Scopes = []string{"profile", "groups"} })))
	ask := func() (url.Values, string) {
		a := r.browser().get("/signin/oidc?next=https://evil.example/")
		return must(t, a.Header.Get("Location")).Query(), a.sets("__Host-posse-oidc")
	}
	got, cookie := ask()
	for name, want := range map[string]string{
		"response_type": "code", "client_id": "public", "code_challenge_method": "S256", "scope": "openid profile groups",
		"redirect_uri": r.server.URL + "/signin/oidc/callback",
	} {
		if got.Get(name) != want {
			t.Errorf("%s = %q, want %q", name, got.Get(name), want)
		}
	}
	again, _ := ask()
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if len(got.Get(name)) < 22 || got.Get(name) == again.Get(name) {
			t.Errorf("%s = %q, and then %q", name, got.Get(name), again.Get(name))
		}
	}
	if !strings.HasSuffix(cookie, "; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=Lax") {
		t.Errorf("the cookie is %q", cookie)
	}
}

// with returns an address with other query parameters; "" removes one.
func with(t *testing.T, address string, changes ...string) string {
	t.Helper()
	u := must(t, address)
	query := u.Query()
	for i := 0; i+1 < len(changes); i += 2 {
		query.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			query.Del(changes[i])
		}
	}
	u.RawQuery = query.Encode()
	return u.String()
}

func TestAnswersThatAreNotGood(t *testing.T) {
	t.Parallel()
	o := provide(t)
	r := o.admit(setup(t, o.use()))
	for name, test := range map[string]struct {
		change []string
		status int
		want   signin.Notice
	}{
		"another state":        {[]string{"state", "guessed"}, http.StatusBadRequest, signin.NoticeOIDCFailed},
		"no state":             {[]string{"state", ""}, http.StatusBadRequest, signin.NoticeOIDCFailed},
		"no code":              {[]string{"code", ""}, http.StatusBadRequest, signin.NoticeOIDCFailed},
		"another code":         {[]string{"code", "guessed"}, http.StatusBadRequest, signin.NoticeOIDCFailed},
		"of another issuer":    {[]string{"iss", "https://evil.example"}, http.StatusBadRequest, signin.NoticeOIDCFailed},
		"denied":               {[]string{"error", "access_denied", "code", ""}, http.StatusForbidden, signin.NoticeOIDCDenied},
		"denied, but a code":   {[]string{"error", "access_denied"}, http.StatusForbidden, signin.NoticeOIDCDenied},
		"denied by a stranger": {[]string{"error", "access_denied", "state", "guessed"}, http.StatusBadRequest, signin.NoticeOIDCFailed},
		"a fault there":        {[]string{"error", "server_error"}, http.StatusServiceUnavailable, signin.NoticeUnavailable},
		"another error":        {[]string{"error", strings.Repeat("secret", 99)}, http.StatusBadRequest, signin.NoticeOIDCFailed},
	} {
		if name == "another error" {
			test.change[1] = strings.Repeat("x", 999)
		}
		b := r.browser()
		back := b.leave(oidctest.Boss)
		a := b.get(with(t, back, test.change...))
		view := a.wantNotice(t, test.status, test.want)
		if a.sets(signin.CookieName) != "" || !strings.Contains(a.sets("__Host-posse-oidc"), "Max-Age=0") || view.Next != "/history" {
			t.Errorf("%s: cookies %q, next %q", name, a.Header.Values("Set-Cookie"), view.Next)
		}
		// The good answer is too late then.
		b.get(back).wantNotice(t, http.StatusBadRequest, signin.NoticeOIDCFailed)
	}
	b := r.browser()
	if a := b.get(with(t, b.leave(oidctest.Boss), "iss", o.Issuer)); a.StatusCode != http.StatusSeeOther {
		t.Errorf("of the issuer itself: %s", a.Status)
	}
}

func TestAnAnswerIsGoodOnceAndForOneBrowser(t *testing.T) {
	t.Parallel()
	o := provide(t)
	r := o.admit(setup(t, o.use()))
	b := r.browser()
	back := b.leave(oidctest.Boss)
	r.browser().get(back).wantNotice(t, http.StatusBadRequest, signin.NoticeOIDCFailed)

	other := r.browser()
	others := other.leave(oidctest.Cashier)
	// Somebody else's code, with the state of this browser: PKCE tells.
	a := b.get(with(t, others, "state", must(t, back).Query().Get("state")))
	a.wantNotice(t, http.StatusBadRequest, signin.NoticeOIDCFailed)

	again := b.leave(oidctest.Boss)
	if a := b.get(again); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("a good answer: %s: %s", a.Status, a.body)
	}
	fresh := b.leave(oidctest.Boss)
	a = b.get(with(t, again, "state", must(t, fresh).Query().Get("state")))
	a.wantNotice(t, http.StatusBadRequest, signin.NoticeOIDCFailed)
	if len(r.shop.logins) != 1 {
		t.Errorf("%d logins were recorded", len(r.shop.logins))
	}
}

func TestTheNonceHasToMatch(t *testing.T) {
	t.Parallel()
	o := provide(t)
	r := o.admit(setup(t, o.use()))
	change := func(request *storage.AuthRequest) { request.Nonce = "another" }
	o.Change(change)
	b := r.browser()
	b.get(b.leave(oidctest.Boss)).wantNotice(t, http.StatusBadRequest, signin.NoticeOIDCFailed)
}

func TestAnAnswerMayComeTooLate(t *testing.T) {
	t.Parallel()
	o := provide(t)
	r := o.admit(setup(t, o.use()))
	b := r.browser()
	back := b.leave(oidctest.Boss)
	r.clock.forward(10 * time.Minute)
	b.get(back).wantNotice(t, http.StatusBadRequest, signin.NoticeOIDCFailed)
}

func TestWhomTheProviderCannotName(t *testing.T) {
	t.Parallel()
	o := provide(t)
	r := o.admit(setup(t, o.use(func(c *signin.OIDC) { c.Tenant, c.TenantClaim = "", "org.id" })))
	b := r.browser()
	b.get(b.leave(oidctest.Cashier)).wantNotice(t, http.StatusForbidden, signin.NoticeNoTenant)
	r = o.admit(setup(t, o.use(func(c *signin.OIDC) { c.UserClaim = "employee" })))
	b = r.browser()
	b.get(b.leave(oidctest.Boss)).wantNotice(t, http.StatusBadRequest, signin.NoticeOIDCFailed)
}

func TestAProviderThatIsAway(t *testing.T) {
	t.Parallel()
	o := reserve(t)
	r := o.admit(setup(t, o.use()))
	// What waits for it to start should not wait long.
	o.Close()
	a := r.browser().get("/signin/oidc")
	a.wantNotice(t, http.StatusServiceUnavailable, signin.NoticeUnavailable)
	if a.Header.Get("Retry-After") == "" {
		t.Error("nobody is told when to try again")
	}
	r.signedIn() // nothing else breaks

	other := reserve(t)
	r = other.admit(setup(t, other.use()))
	other.Start()
	b := r.browser()
	back := b.leave(oidctest.Boss) // it started after posse
	other.Close()
	b.get(back).wantNotice(t, http.StatusServiceUnavailable, signin.NoticeUnavailable)
}

func TestProvidersThatMakeNoSense(t *testing.T) {
	t.Parallel()
	r := setup(t)
	good := signin.OIDC{
		Issuer: "https://id.example", ClientID: "posse", Tenant: "shop", RedirectURL: "https://posse.example/signin/oidc/callback",
	}
	for name, change := range map[string]func(*signin.OIDC){
		"no issuer":          func(c *signin.OIDC) { c.Issuer = "" },
		"plain http":         func(c *signin.OIDC) { c.Issuer = "http://id.example" },
		"no client":          func(c *signin.OIDC) { c.ClientID = "" },
		"no way back":        func(c *signin.OIDC) { c.RedirectURL = "" },
		"another way back":   func(c *signin.OIDC) { c.RedirectURL = "https://posse.example/" },
		"an insecure one":    func(c *signin.OIDC) { c.RedirectURL = "http://posse.example/signin/oidc/callback" },
		"no tenant":          func(c *signin.OIDC) { c.Tenant = "" },
		"two tenants":        func(c *signin.OIDC) { c.TenantClaim = "org" },
		"a tenant of bytes":  func(c *signin.OIDC) { c.Tenant = "\xff" },
		"a tenant's a novel": func(c *signin.OIDC) { c.Tenant = strings.Repeat("x", 129) },
	} {
		config, provider := r.config(nil), good
		change(&provider)
		config.OIDC = &provider
		if _, err := signin.New(config); !errors.Is(err, signin.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	config := r.config(nil)
	config.OIDC = &good
	if _, err := signin.New(config); err != nil {
		t.Error(err)
	}
}
