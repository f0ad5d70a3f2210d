package gateway_test

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	sdk "github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/services/gateway"
)

func TestForwardAuthAdmits(t *testing.T) {
	t.Parallel()
	r := setup(t, nil, nil)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete} {
		request := r.request(t, method, "/authz/forward-auth", nil)
		request.Header.Set(sdk.HeaderUser, "somebody else")
		got := r.do(t, request)
		if got.code != http.StatusOK || got.body != "" {
			t.Errorf("%s: %s %q", method, got.status, got.body)
		}
		for name, want := range map[string]string{sdk.HeaderTenant: "shop", sdk.HeaderUser: "anna", sdk.HeaderSession: "s1"} {
			if got := got.header.Values(name); len(got) != 1 || got[0] != want {
				t.Errorf("%s: %s = %q, want %q", method, name, got, want)
			}
		}
	}
}

// TestForwardAuthAndExtAuthzRefuse in the same way, also when Envoy asks about a POST.
func TestForwardAuthAndExtAuthzRefuse(t *testing.T) {
	t.Parallel()
	for _, door := range []struct{ method, path string }{
		{http.MethodGet, "/authz/forward-auth"},
		{http.MethodPost, "/authz/ext-authz/orders/7?page=2"},
		{http.MethodGet, "/authz/ext-authz"},
	} {
		t.Run(door.path, func(t *testing.T) {
			t.Parallel()
			refuses(t, door.method, door.path)
		})
	}
}

func refuses(t *testing.T, method, path string) {
	t.Helper()
	for name, test := range map[string]struct {
		authorization string // "" means a good one
		before        func(*rig, *http.Request)
		status        int
		reason        sdk.Reason
		header, value string
	}{
		"revoked": {
			before: func(r *rig, _ *http.Request) { r.feed.Revoke("shop", "s1") },
			status: 401, reason: sdk.ReasonRevoked, header: "WWW-Authenticate", value: `error="invalid_token"`,
		},
		"missing": {authorization: " ", status: 401, reason: sdk.ReasonMissing, header: "WWW-Authenticate", value: `Bearer realm="posse"`},
		"basic":   {authorization: "Basic YTpi", status: 401, reason: sdk.ReasonMissing, header: "WWW-Authenticate", value: "Bearer"},
		"expired": {
			before: func(r *rig, q *http.Request) { q.Header.Set("Authorization", "Bearer "+r.expired()) },
			status: 401, reason: sdk.ReasonExpired, header: "WWW-Authenticate", value: `error="invalid_token"`,
		},
		"forged": {authorization: "Bearer e30.e30.e30", status: 401, reason: sdk.ReasonInvalid, header: "WWW-Authenticate", value: "invalid_token"},
		"unreadable revocation": {
			before: func(r *rig, _ *http.Request) { r.feed.SendUnreadable("shop") },
			status: 503, reason: sdk.ReasonStale, header: "Retry-After", value: "1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := setup(t, nil, nil)
			request := r.request(t, method, path, nil)
			if test.authorization != "" {
				request.Header.Set("Authorization", test.authorization)
			}
			if test.before != nil {
				test.before(r, request)
			}
			got := r.do(t, request)
			var problem sdk.Problem
			if err := json.Unmarshal([]byte(got.body), &problem); err != nil {
				t.Fatalf("%v: %s", err, got.body)
			}
			if got.code != test.status || problem.Status != test.status || problem.Reason != test.reason ||
				problem.Type != "urn:posse:problem:"+string(test.reason) || problem.Title == "" || problem.Detail == "" {
				t.Errorf("%s %+v", got.status, problem)
			}
			if got := got.header.Get(test.header); !strings.Contains(got, test.value) {
				t.Errorf("%s = %q, want %q in it", test.header, got, test.value)
			}
			if got := got.header.Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("Content-Type = %q", got)
			}
			for _, name := range []string{sdk.HeaderSession, sdk.HeaderUser, sdk.HeaderTenant} {
				if got.header.Get(name) != "" {
					t.Errorf("a refusal has %s", name)
				}
			}
		})
	}
}

func TestIdsGoThroughHeaders(t *testing.T) {
	t.Parallel()
	r := setup(t, nil, nil)
	request := r.request(t, http.MethodGet, "/authz/forward-auth", nil)
	request.Header.Set("Authorization", "Bearer "+r.issuer.Token("café", "a b\r\nX-Admin: 1", "100%"))
	got := r.do(t, request)
	want := map[string]string{
		sdk.HeaderTenant: "caf%C3%A9", sdk.HeaderUser: "a%20b%0D%0AX-Admin:%201", sdk.HeaderSession: "100%25", "X-Admin": "",
	}
	for name, value := range want {
		if got := got.header.Get(name); got != value {
			t.Errorf("%s = %q, want %q", name, got, value)
		}
	}
}

func TestClientIPOnlyFromTrustedProxies(t *testing.T) {
	t.Parallel()
	proxies := slices.Concat(loopback, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
	for name, test := range map[string]struct {
		trusted   []netip.Prefix
		forwarded []string
		want      string
	}{
		"nobody is trusted":        {nil, []string{"203.0.113.9"}, "127.0.0.1"},
		"trusted":                  {proxies, []string{"203.0.113.9"}, "203.0.113.9"},
		"a chain of trusted":       {proxies, []string{"198.51.100.1, 203.0.113.9, 10.1.1.1"}, "203.0.113.9"},
		"several headers":          {proxies, []string{"198.51.100.1", "2001:db8::7"}, "2001:db8::7"},
		"with a port":              {proxies, []string{"[2001:db8::7]:4711"}, "2001:db8::7"},
		"not an address":           {proxies, []string{"203.0.113.9, unknown"}, "127.0.0.1"},
		"trusted, nothing is said": {proxies, nil, "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := setup(t, nil, func(c *gateway.Config) { c.TrustedProxies = test.trusted })
			request := r.request(t, http.MethodGet, "/authz/forward-auth", nil)
			request.Header["X-Forwarded-For"] = test.forwarded
			request.Header.Set("User-Agent", "WCPOS/1.8.1 (ios; build 231)")
			r.do(t, request)
			eventually(t, "touch", func() bool { return len(r.feed.Touches()) == 1 })
			touch := r.feed.Touches()[0]
			if touch.Personal.IP != test.want || touch.Personal.UserAgent != "WCPOS/1.8.1 (ios; build 231)" {
				t.Errorf("touch = %+v, want ip %s", touch, test.want)
			}
		})
	}
}

// TestEveryDoorAnswersEveryMethod also holds that no path of a door gets through to
// what is behind it, and that others do.
func TestEveryDoorAnswersEveryMethod(t *testing.T) {
	t.Parallel()
	r := setup(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }), nil)
	for path, want := range map[string]int{
		"/authz/forward-auth": 200, "/authz/auth-request": 200, "/authz/ext-authz": 200, "/authz/ext-authz/": 200,
		"/authz/ext-authz/orders/7?page=2": 200, "/authz/ext-authz//orders/../%2e%2e/%00": 200, "/authz/ext-authz/authz/other": 200,
		"/authz/ext-authzed": 418, "/authz/": 418, "/authz/forward-auth/more": 418, "/orders": 418,
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodTrace, "PROPFIND"} {
			if got := r.do(t, r.request(t, method, path, nil)); got.code != want {
				t.Errorf("%s %s: %s", method, path, got.status)
			}
		}
	}
}

// TestAuthRequestSpeaksNginx holds that the door says nothing but 2xx, 401 and 403,
// and all that a client is to be told in headers.
func TestAuthRequestSpeaksNginx(t *testing.T) {
	t.Parallel()
	r := setup(t, nil, nil)
	ask := func() answer { return r.do(t, r.request(t, http.MethodGet, "/authz/auth-request", nil)) }
	if got := ask(); got.code != http.StatusOK || got.header.Get(sdk.HeaderUser) != "anna" || got.header.Get(gateway.HeaderProblem) != "" {
		t.Errorf("admitted: %s %v", got.status, got.header)
	}
	r.feed.Revoke("shop", "another")
	r.feed.SendUnreadable("shop")
	got := ask()
	var problem sdk.Problem
	if err := json.Unmarshal([]byte(got.header.Get(gateway.HeaderProblem)), &problem); err != nil {
		t.Fatalf("%v: %v", err, got.header)
	}
	if got.code != http.StatusForbidden || problem.Status != http.StatusServiceUnavailable || problem.Reason != sdk.ReasonStale ||
		got.header.Get("Retry-After") != "1" || got.header.Get("WWW-Authenticate") != "" {
		t.Errorf("stale: %s %v", got.status, got.header)
	}
	r.feed.Revoke("shop", "s1")
	if got := ask(); got.code != http.StatusUnauthorized || !strings.Contains(got.header.Get(gateway.HeaderProblem), "session_revoked") ||
		!strings.Contains(got.header.Get("WWW-Authenticate"), "invalid_token") {
		t.Errorf("revoked: %s %v", got.status, got.header)
	}
}
