package signin_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/posse-pos/posse/services/query/signin"
)

// people is the storage of a provider, which adds claims of a person's own.
type people struct {
	*storage.Storage

	claims map[string]map[string]any
	// change may change a request before its tokens are made.
	change atomic.Pointer[func(*storage.AuthRequest)]
}

// The people whom the provider knows, and what they type.
const (
	boss     = "test-user@127.0.0.1"
	cashier  = "test-user2"
	password = "verysecure"
)

// SetUserinfoFromRequest is asked for the claims of an ID token.
func (p *people) SetUserinfoFromRequest(ctx context.Context, info *oidc.UserInfo, request op.IDTokenRequest, scopes []string) error {
	if err := p.Storage.SetUserinfoFromRequest(ctx, info, request, scopes); err != nil {
		return err
	}
	for name, value := range p.claims[request.GetSubject()] {
		info.AppendClaims(name, value)
	}
	return nil
}

// AuthRequestByCode is asked when a code comes in.
func (p *people) AuthRequestByCode(ctx context.Context, code string) (op.AuthRequest, error) {
	request, err := p.Storage.AuthRequestByCode(ctx, code)
	if err != nil {
		return nil, err
	}
	if change := p.change.Load(); change != nil {
		if internal, ok := request.(*storage.AuthRequest); ok {
			(*change)(internal)
		}
	}
	return request, nil
}

// openID is a real provider, in this process.
type openID struct {
	*testing.T

	people  *people
	clients map[string]*storage.Client
	server  *httptest.Server
	issuer  string
}

// reserve takes an address for a provider that starts later.
func reserve(t *testing.T) *openID {
	t.Helper()
	o := &openID{T: t, clients: map[string]*storage.Client{}, server: httptest.NewUnstartedServer(nil)}
	o.issuer = "http://" + o.server.Listener.Addr().String()
	o.people = &people{
		Storage: storage.NewStorageWithClients(storage.NewUserStore(o.issuer), o.clients),
		claims: map[string]map[string]any{
			"id1": {"groups": []string{"everyone", "pos-admins"}, "org": map[string]any{"id": "shop"}, "number": 42},
			"id2": {"groups": "pos-auditors"},
		},
	}
	t.Cleanup(o.server.Close)
	return o
}

func (o *openID) start() *openID {
	o.Helper()
	o.server.Config.Handler = exampleop.SetupServer(o.issuer, o.people, nil, false)
	o.server.Start()
	return o
}

// use lets a rig sign people in at the provider.
func (o *openID) use(change ...func(*signin.OIDC)) func(*signin.Config) {
	return func(c *signin.Config) {
		c.OIDC = &signin.OIDC{
			Issuer: o.issuer, ClientID: "public", Tenant: "shop",
			AdminValues: []string{"pos-admins"}, AuditorValues: []string{"pos-auditors"},
		}
		for _, change := range change {
			change(c.OIDC)
		}
	}
}

// admit registers a rig as the provider's clients: one that keeps no secret and
// one that does.
func (o *openID) admit(r *rig) *rig {
	back := "https://" + r.server.Listener.Addr().String() + signin.PathCallback
	// The provider lets a public client go to any port of this machine, if the
	// application is a native one.
	o.clients["public"] = storage.NativeClient("public", back)
	o.clients["confidential"] = storage.WebClient("confidential", "client-secret", back)
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
	typed := url.Values{"username": {user}, "password": {password}, "id": {login.Query().Get("authRequestID")}}
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
