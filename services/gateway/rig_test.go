package gateway_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"go.uber.org/goleak"

	sdk "github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
	"github.com/posse-pos/posse/services/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// loopback are the proxies that tests trust.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// rig is a service in front of an upstream.
type rig struct {
	*gateway.Service
	feed   *gatewaytest.Feed
	issuer *gatewaytest.Issuer
	url    string
	client *http.Client
}

func setup(tb testing.TB, upstream http.Handler, change func(*gateway.Config)) *rig {
	tb.Helper()
	r := &rig{feed: gatewaytest.NewFeed(), issuer: gatewaytest.NewIssuer()}
	config := gateway.Config{
		Gateway: sdk.Config{Feed: r.feed, Verifier: r.issuer.Verifier(), Stale: sdk.FailClosed},
		Logger:  slog.New(slog.DiscardHandler),
	}
	if upstream != nil {
		backend := httptest.NewServer(upstream)
		tb.Cleanup(backend.Close)
		config.Upstream = mustParse(tb, backend.URL)
	}
	if change != nil {
		change(&config)
	}
	var err error
	if r.Service, err = gateway.New(tb.Context(), config); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(r.Close)
	gatewaytest.WaitReady(tb, r.Gateway())
	front := httptest.NewServer(r.Handler())
	tb.Cleanup(front.Close)
	r.url, r.client = front.URL, front.Client()
	return r
}

func mustParse(tb testing.TB, s string) *url.URL {
	tb.Helper()
	u, err := url.Parse(s)
	if err != nil {
		tb.Fatal(err)
	}
	return u
}

// request makes a request of anna's session s1 of the shop.
func (r *rig) request(t *testing.T, method, path string, body io.Reader) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, r.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+r.issuer.Token("shop", "anna", "s1"))
	return request
}

// expired returns a token of anna's that was good an hour ago.
func (r *rig) expired() string {
	return r.issuer.Sign(map[string]any{
		"iss": gatewaytest.Name, "sub": "anna", "tenant": "shop", "sid": "s1", "type": "access",
		"iat": time.Now().Add(-2 * time.Hour).Unix(), "exp": time.Now().Add(-time.Hour).Unix(), "jti": "j",
	})
}

// answer is one that was read to its end.
type answer struct {
	status string
	code   int
	header http.Header
	length int64
	body   string
}

func (r *rig) do(t *testing.T, request *http.Request) answer {
	t.Helper()
	response, err := r.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.Status, response.StatusCode, response.Header, response.ContentLength, string(body)}
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	for !condition() {
		select {
		case <-deadline:
			t.Fatalf("never happened: %s", what)
		case <-again.C:
		}
	}
}
