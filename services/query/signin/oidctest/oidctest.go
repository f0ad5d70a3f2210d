// Package oidctest starts a real OpenID provider inside a test, with two people
// who can sign in there. It is for tests only.
package oidctest

import (
	"context"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// The people whom the provider knows, and what they type. Boss is id1 and in the
// group pos-admins, Cashier is id2 and in pos-auditors.
const (
	Boss     = "test-user@127.0.0.1"
	Cashier  = "test-user2"
	Password = "verysecure"
)

// The clients that Admit registers: one that keeps no secret and one that does.
const (
	PublicClient       = "public"
	ConfidentialClient = "confidential"
	ClientSecret       = "client-secret"
)

// Provider is at an address of this machine, and ends with its test.
type Provider struct {
	// Issuer is its URL.
	Issuer string

	clients map[string]*storage.Client
	people  *people
	server  *httptest.Server
}

// Reserve takes an address for a provider, which Start starts.
func Reserve(t testing.TB) *Provider {
	t.Helper()
	p := &Provider{clients: map[string]*storage.Client{}, server: httptest.NewUnstartedServer(nil)}
	p.Issuer = "http://" + p.server.Listener.Addr().String()
	p.people = &people{
		Storage: storage.NewStorageWithClients(storage.NewUserStore(p.Issuer), p.clients),
		claims: map[string]map[string]any{
			"id1": {"groups": []string{"everyone", "pos-admins"}, "org": map[string]any{"id": "shop"}, "number": 42},
			"id2": {"groups": "pos-auditors"},
		},
	}
	t.Cleanup(p.server.Close)
	return p
}

// Start has the provider answer.
func (p *Provider) Start() *Provider {
	p.server.Config.Handler = exampleop.SetupServer(p.Issuer, p.people, nil, false)
	p.server.Start()
	return p
}

// Close ends the provider, also one that was never started.
func (p *Provider) Close() {
	_ = p.server.Listener.Close()
	p.server.Close()
}

// Admit registers the clients, to which people come back at a URL. Of one on
// 127.0.0.1 the public client may be on any port.
func (p *Provider) Admit(callback string) {
	// The provider says so of native applications.
	p.clients[PublicClient] = storage.NativeClient(PublicClient, callback)
	p.clients[ConfidentialClient] = storage.WebClient(ConfidentialClient, ClientSecret, callback)
}

// Change has every request changed before its tokens are made.
func (p *Provider) Change(change func(*storage.AuthRequest)) { p.people.change.Store(&change) }

// people is the storage of a provider, which adds claims of a person's own.
type people struct {
	*storage.Storage

	claims map[string]map[string]any
	change atomic.Pointer[func(*storage.AuthRequest)]
}

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
