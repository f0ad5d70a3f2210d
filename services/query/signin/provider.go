package signin

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	// providerTimeout bounds each request to the provider.
	providerTimeout = 5 * time.Second
	// rediscoverAfter is how long a provider that did not answer is left alone.
	rediscoverAfter = time.Second
	// maxAnswer is the most that is read of an answer, in bytes.
	maxAnswer = 1 << 20
)

// provider is an OpenID provider. It is asked who it is when somebody first wants
// to sign in there, and again until it says so: it may start after posse does.
type provider struct {
	config OIDC
	client *http.Client
	now    func() time.Time

	mu     sync.Mutex
	found  *discovered
	failed error // why it was not discovered, until retry
	retry  time.Time
}

// discovered is what a provider says of itself.
type discovered struct {
	provider *oidc.Provider
	oauth    oauth2.Config
	verifier *oidc.IDTokenVerifier
	// namesItself says that each answer has the parameter "iss" (RFC 9207 §2.3).
	namesItself bool
}

func newProvider(config OIDC, now func() time.Time) (*provider, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: providerTimeout,
		DisableKeepAlives: true, // sign-ins are rare
	}
	return &provider{config: config, now: now, client: &http.Client{
		Transport: bounded{transport},
		Timeout:   providerTimeout,
		// What the configured provider says counts, and not what it redirects to.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// bounded cuts answers that are too long.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(response.Body, maxAnswer), response.Body}
	return response, nil
}

// with has the libraries use the provider's client.
func (p *provider) with(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, p.client)
}

// discover returns what the provider says of itself.
func (p *provider) discover(ctx context.Context) (*discovered, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found != nil {
		return p.found, nil
	}
	if p.now().Before(p.retry) {
		return nil, p.failed
	}
	// Somebody who goes away does not spoil it for those who wait.
	found, err := p.ask(context.WithoutCancel(ctx))
	if err != nil {
		p.failed, p.retry = fmt.Errorf("discover %s: %w", p.config.Issuer, err), p.now().Add(rediscoverAfter)
		return nil, p.failed
	}
	p.found = found
	return found, nil
}

func (p *provider) ask(ctx context.Context) (*discovered, error) {
	known, err := oidc.NewProvider(p.with(ctx), p.config.Issuer)
	if err != nil {
		return nil, err
	}
	var metadata struct {
		Methods     []string `json:"token_endpoint_auth_methods_supported"`
		NamesItself bool     `json:"authorization_response_iss_parameter_supported"`
	}
	if err := known.Claims(&metadata); err != nil {
		return nil, err
	}
	endpoint := known.Endpoint()
	endpoint.AuthStyle = p.authStyle(metadata.Methods)
	return &discovered{
		provider: known,
		oauth: oauth2.Config{
			ClientID: p.config.ClientID, ClientSecret: p.config.ClientSecret, RedirectURL: p.config.RedirectURL,
			Endpoint: endpoint, Scopes: p.config.Scopes,
		},
		verifier:    known.VerifierContext(p.with(ctx), &oidc.Config{ClientID: p.config.ClientID, Now: p.now}),
		namesItself: metadata.NamesItself,
	}, nil
}

// authStyle is how the client proves who it is. To find out by trying would use
// up the code. client_secret_basic is meant where nothing is said (OpenID Connect
// Discovery §3).
func (p *provider) authStyle(methods []string) oauth2.AuthStyle {
	basic := len(methods) == 0 || slices.Contains(methods, "client_secret_basic")
	if p.config.ClientSecret != "" && basic {
		return oauth2.AuthStyleInHeader
	}
	return oauth2.AuthStyleInParams
}
