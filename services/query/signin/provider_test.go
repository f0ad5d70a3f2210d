package signin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/posse-pos/posse/services/query/signin"
	"github.com/posse-pos/posse/services/query/signin/oidctest"
)

// openID is a real provider, in this process.
type openID struct{ *oidctest.Provider }

// reserve takes an address for a provider that starts later.
func reserve(t *testing.T) openID {
	t.Helper()
	return openID{oidctest.Reserve(t)}
}

// provide starts a provider.
func provide(t *testing.T) openID {
	t.Helper()
	return openID{oidctest.Reserve(t).Start()}
}

// use lets a rig sign people in at the provider.
func (o openID) use(change ...func(*signin.OIDC)) func(*signin.Config) {
	return func(c *signin.Config) {
		c.OIDC = &signin.OIDC{
			Issuer: o.Issuer, ClientID: oidctest.PublicClient, Tenant: "shop",
			AdminValues: []string{"pos-admins"}, AuditorValues: []string{"pos-auditors"},
		}
		for _, change := range change {
			change(c.OIDC)
		}
	}
}

// admit registers a rig as the provider's clients.
func (o openID) admit(r *rig) *rig {
	o.Admit("https://" + r.server.Listener.Addr().String() + signin.PathCallback)
	return r
}

// leave goes to the provider, signs in there, and returns where the provider
// sends the browser.
func (b *browser) leave(user string) string {
	b.Helper()
	a := b.get("/signin/oidc?next=/history")
	if a.StatusCode != http.StatusSeeOther {
		b.Fatalf("leaving is answered with %s: %s", a.Status, a.body)
	}
	asked := b.get(a.Header.Get("Location"))
	login, err := url.Parse(asked.Header.Get("Location"))
	if err != nil || asked.StatusCode != http.StatusFound {
		b.Fatalf("the provider answers %s to %s: %s", asked.Status, a.Header.Get("Location"), asked.body)
	}
	at := asked.Request.URL.ResolveReference(login)
	form := b.get(at.String())
	if !strings.Contains(form.body, "password") {
		b.Fatalf("the provider shows no form: %s", form.body)
	}
	at.RawQuery = ""
	typed := url.Values{"username": {user}, "password": {oidctest.Password}, "id": {login.Query().Get("authRequestID")}}
	done := b.post(at.String(), typed)
	back := b.get(at.ResolveReference(must(b.T, done.Header.Get("Location"))).String())
	if back.StatusCode != http.StatusFound {
		b.Fatalf("the provider answers %s: %s", back.Status, back.body)
	}
	return back.Header.Get("Location")
}

func must(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil || address == "" {
		t.Fatalf("%q is no address: %v", address, err)
	}
	return u
}
