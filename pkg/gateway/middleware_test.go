package gateway_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
	"github.com/posse-pos/posse/pkg/gateway/tokens"
)

func TestMiddleware(t *testing.T) {
	t.Parallel()
	r := setup(t, nil).ready(t)
	var seen *http.Request
	handler := r.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r }))
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/orders", nil)
	request.Header.Set("Authorization", "bearer "+r.issuer.Token("shop", "anna", "s1", "admin"))
	request.Header.Set("X-User-Id", "eve")
	request.Header.Add("X-Tenant-Id", "other")
	request.Header.Set("User-Agent", "WCPOS/1.8.1 (ios; build 231)")
	handler.ServeHTTP(httptest.NewRecorder(), request)
	if seen == nil {
		t.Fatal("a good request is not passed on")
	}
	session, ok := gateway.FromContext(seen.Context())
	if !ok || session.User != "anna" || session.ID != "s1" || session.Tenant != "shop" || session.Roles[0] != "admin" {
		t.Errorf("FromContext = %+v, %v", session, ok)
	}
	for _, name := range []string{gateway.HeaderSession, gateway.HeaderUser, gateway.HeaderTenant} {
		if value := seen.Header.Get(name); value != "" {
			t.Errorf("the client's %s: %s is passed on", name, value)
		}
	}
	if request.Header.Get("X-User-Id") != "eve" {
		t.Error("the caller's request was changed")
	}
	eventually(t, "touch", func() bool { return len(r.feed.Touches()) == 1 })
	if touch := r.feed.Touches()[0]; touch.Personal.IP != "192.0.2.1" || touch.Personal.UserAgent != "WCPOS/1.8.1 (ios; build 231)" {
		t.Errorf("touch = %+v", touch)
	}
	if _, ok := gateway.FromContext(t.Context()); ok {
		t.Error("a context without a session has one")
	}
}

// TestMiddlewareWaitsForKeys is a token that is newer than the keys the gateway
// has: its request is held until they are fetched, and nobody is signed out.
func TestMiddlewareWaitsForKeys(t *testing.T) {
	t.Parallel()
	issuer := gatewaytest.NewIssuer()
	fetch := make(chan []byte)
	verifier, err := tokens.NewVerifier(tokens.Config{
		Preset: tokens.Posse, Issuer: gatewaytest.Name,
		FetchKeys: func(ctx context.Context) ([]byte, error) {
			select {
			case set := <-fetch:
				return set, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(verifier.Close)
	r := setup(t, func(r *rig, cfg *gateway.Config) { cfg.Verifier, cfg.Now, r.feed.Now = verifier, time.Now, nil })
	token := issuer.Token("shop", "anna", "s1")
	if got := r.check(token); got != gateway.ReasonKeys {
		t.Errorf("Check without keys = %s", got)
	}
	fetch <- gatewaytest.NewIssuer().JWKS()
	r.ready(t)
	answered := make(chan int)
	go func() {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/orders", nil)
		request.Header.Set("Authorization", "Bearer "+token)
		answer := httptest.NewRecorder()
		r.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(answer, request)
		answered <- answer.Code
	}()
	fetch <- issuer.JWKS()
	if code := <-answered; code != http.StatusOK {
		t.Errorf("the answer is %d", code)
	}
}

func TestMiddlewareRefuses(t *testing.T) {
	t.Parallel()
	const invalid = `Bearer realm="posse", error="invalid_token", error_description="`
	for name, test := range map[string]struct {
		authorization []string
		before        func(*rig)
		status        int
		reason        gateway.Reason
		challenge     string
		retry         string
	}{
		"nothing":  {nil, nil, 401, gateway.ReasonMissing, `Bearer realm="posse"`, ""},
		"twice":    {[]string{"Bearer a", "Bearer b"}, nil, 401, gateway.ReasonMissing, `Bearer realm="posse"`, ""},
		"no token": {[]string{"Bearer "}, nil, 401, gateway.ReasonMissing, `Bearer realm="posse"`, ""},
		"garbage": {
			[]string{"Bearer garbage"},
			nil, 401, gateway.ReasonInvalid,
			invalid + `The access token is not good here. Sign in again."`, "",
		},
		"revoked": {
			nil, func(r *rig) { r.feed.Revoke("shop", "s1") }, 401, gateway.ReasonRevoked,
			invalid + `This session was ended. Sign in again."`, "",
		},
		"stale": {nil, func(r *rig) { r.clock.Advance(6e9) }, 503, gateway.ReasonStale, "", "1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := setup(t, nil).ready(t)
			request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/orders", nil)
			request.Header["Authorization"] = test.authorization
			if test.before != nil {
				request.Header.Set("Authorization", "Bearer "+r.issuer.Token("shop", "anna", "s1"))
				test.before(r)
			}
			answer := httptest.NewRecorder()
			r.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				t.Error("the request is passed on")
			})).ServeHTTP(answer, request)
			var problem gateway.Problem
			if err := json.Unmarshal(answer.Body.Bytes(), &problem); err != nil {
				t.Fatal(err)
			}
			if answer.Code != test.status || problem.Status != test.status || problem.Reason != test.reason ||
				problem.Type != "urn:posse:problem:"+string(test.reason) || problem.Title == "" || problem.Detail == "" {
				t.Errorf("%d %+v", answer.Code, problem)
			}
			header := answer.Header()
			if header.Get("WWW-Authenticate") != test.challenge || header.Get("Retry-After") != test.retry ||
				header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("header = %v", header)
			}
		})
	}
}
