package introspection_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
	"github.com/posse-pos/posse/pkg/gateway/tokens"
	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/pkg/token"
	"github.com/posse-pos/posse/services/recorder/introspection"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return noon }

// bearers knows "backend TENANT" and "KIND TENANT USER".
type bearers struct{}

func (bearers) Authenticate(_ context.Context, bearer string) (principal.Principal, error) {
	parts := strings.Split(bearer, ".")
	kinds := map[string]principal.Kind{
		"backend": principal.Backend, "user": principal.User, "admin": principal.Admin, "auditor": principal.Auditor,
	}
	kind, known := kinds[parts[0]]
	switch {
	case bearer == "nobody-can-tell":
		return principal.Principal{}, principal.ErrUnavailable
	case !known:
		return principal.Principal{}, principal.ErrUnauthenticated
	case kind == principal.Backend:
		return principal.Principal{Kind: kind, Tenant: parts[1], KeyID: "k1"}, nil
	}
	return principal.Principal{Kind: kind, Tenant: parts[1], User: parts[2], Session: "own"}, nil
}

// enders notes what was to be ended.
type enders struct {
	commands.Ender

	ended []commands.EndSession
	err   error
}

func (e *enders) EndSession(_ context.Context, c commands.EndSession) (commands.Ended, error) {
	e.ended = append(e.ended, c)
	return commands.Ended{Ended: 1}, e.err
}

// rig is the two endpoints, a shop's tokens, and a feed of revocations.
type rig struct {
	t       *testing.T
	handler http.Handler
	issuer  *token.Issuer
	foreign *gatewaytest.Issuer
	feed    *gatewaytest.Feed
	gateway *gateway.Gateway
	ender   *enders
	// keysAway has the keys of the foreign issuer not at hand.
	keysAway bool
	later    atomic.Bool // has the feed be silent for a minute
}

func setup(t *testing.T, stale gateway.StalePolicy) *rig {
	t.Helper()
	keyring, err := token.OpenKeyring(token.KeyringConfig{Dir: t.TempDir(), Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{
		t: t, issuer: &token.Issuer{Keyring: keyring, Issuer: "posse", Now: clock}, foreign: gatewaytest.NewIssuer(),
		feed: gatewaytest.NewFeed(), ender: &enders{},
	}
	r.gateway, err = gateway.New(t.Context(), gateway.Config{
		Feed: r.feed, Verifier: r.foreign.Verifier(), Stale: stale, Logger: slog.New(slog.DiscardHandler),
		Now: func() time.Time {
			if r.later.Load() {
				return noon.Add(time.Minute)
			}
			return noon
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.gateway.Close)
	gatewaytest.WaitReady(t, r.gateway)
	foreign := introspection.Foreign(gatewaytest.Name, r.foreign.Verifier())
	service, err := introspection.New(introspection.Config{
		Tokens: []introspection.ReadFunc{
			introspection.Own(r.issuer),
			func(ctx context.Context, compact string) (introspection.Token, error) {
				if r.keysAway {
					return introspection.Token{}, introspection.ErrUnavailable
				}
				return foreign(ctx, compact)
			},
		},
		Sessions: r.gateway, Ender: r.ender,
	})
	if err != nil {
		t.Fatal(err)
	}
	router, api := httpapi.New(httpapi.Config{Title: "test", Version: "1.0.0", Authenticator: bearers{}})
	service.Register(api)
	r.handler = router
	return r
}

func (r *rig) mint(tenant, user, session string) token.Pair {
	r.t.Helper()
	pair, err := r.issuer.Mint(token.Grant{
		Tenant: tenant, User: user, Session: session, Roles: []string{"cashier"}, Expires: noon.Add(12 * time.Hour),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return pair
}

// send posts a form, or with an empty bearer without a credential.
func (r *rig) send(path, bearer, body string) *httptest.ResponseRecorder {
	q := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if bearer != "" {
		q.Header.Set("Authorization", "Bearer "+bearer)
	}
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, q)
	return w
}

func (r *rig) introspect(bearer, compact string) map[string]any {
	r.t.Helper()
	w := r.send("/v1/introspect", bearer, url.Values{"token": {compact}}.Encode())
	if w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "no-store" {
		r.t.Fatalf("%d %s, Cache-Control %q", w.Code, w.Body, w.Header().Get("Cache-Control"))
	}
	var said map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil {
		r.t.Fatal(err)
	}
	return said
}

// oauth returns the code of an error of RFC 6749 §5.2, and fails if the answer is
// something else.
func (r *rig) oauth(w *httptest.ResponseRecorder, status int) string {
	r.t.Helper()
	var said struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	decoder := json.NewDecoder(w.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&said); err != nil || w.Code != status || w.Header().Get("Content-Type") != "application/json" ||
		w.Header().Get("Cache-Control") != "no-store" || said.Description == "" {
		r.t.Errorf("%d %v %+v (%v), want %d", w.Code, w.Header(), said, err, status)
	}
	if (status == http.StatusServiceUnavailable) != (w.Header().Get("Retry-After") != "") {
		r.t.Errorf("%d with Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	return said.Error
}

var inactive = map[string]any{"active": false}

func TestActiveTokens(t *testing.T) {
	t.Parallel()
	r := setup(t, gateway.FailClosed)
	pair := r.mint("shop", "ada", "till")
	access := r.introspect("backend.shop", pair.Access)
	refresh := r.introspect("backend.shop", pair.Refresh)
	for _, said := range []map[string]any{access, refresh} {
		if id, _ := said["jti"].(string); id == "" {
			t.Errorf("no jti in %v", said)
		}
		delete(said, "jti")
	}
	want := map[string]any{
		"active": true, "token_type": "Bearer", "token_use": "access", "sub": "ada", "sid": "till", "tenant": "shop",
		"roles": []any{"cashier"}, "iss": "posse", "iat": float64(noon.Unix()), "exp": float64(noon.Add(5 * time.Minute).Unix()),
	}
	if diff := cmp.Diff(want, access); diff != "" {
		t.Errorf("access token (-want +got)\n%s", diff)
	}
	delete(want, "token_type")
	want["token_use"], want["exp"] = "refresh", float64(noon.Add(12*time.Hour).Unix())
	if diff := cmp.Diff(want, refresh); diff != "" {
		t.Errorf("refresh token (-want +got)\n%s", diff)
	}
	foreign := r.introspect("backend.shop", r.foreign.Token("shop", "7", "s-7"))
	if foreign["active"] != true || foreign["sub"] != "7" || foreign["sid"] != "s-7" || foreign["iss"] != gatewaytest.Name {
		t.Errorf("foreign token: %v", foreign)
	}
}

func TestInactiveTokensSayNothingMore(t *testing.T) {
	t.Parallel()
	r := setup(t, gateway.FailClosed)
	r.feed.Revoke("shop", "stolen")
	past := *r.issuer
	past.Now = func() time.Time { return noon.Add(-time.Hour) }
	expired, err := past.Mint(token.Grant{Tenant: "shop", User: "ada", Session: "till", Expires: noon.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	stranger := setup(t, gateway.FailClosed)
	link, err := r.issuer.MintLink(token.Link{Tenant: "shop", User: "ada"})
	if err != nil {
		t.Fatal(err)
	}
	revoked := r.mint("shop", "ada", "stolen")
	for name, compact := range map[string]string{
		"revoked": revoked.Access, "refresh token of a revoked session": revoked.Refresh,
		"revoked foreign": r.foreign.Token("shop", "ada", "stolen"),
		"foreign tenant":  r.mint("other", "ada", "till").Access, "foreign issuer, foreign tenant": r.foreign.Token("other", "7", "s"),
		"expired": expired.Access, "garbage": "garbage", "a JWT of nobody": "e30.e30.e30",
		"a stranger's": stranger.mint("shop", "ada", "till").Access, "a sign-in link": link,
		"very long": strings.Repeat("a", 40<<10), "a backend key": "posse_bk_00", "NUL": "\x00",
	} {
		if diff := cmp.Diff(inactive, r.introspect("backend.shop", compact)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

// TestStaleIsNeverInactive has the feed fall silent: what was revoked before stays
// refused, and of all else the policy decides.
func TestStaleIsNeverInactive(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		policy gateway.StalePolicy
		code   string
	}{{gateway.FailClosed, "temporarily_unavailable"}, {gateway.FailOpen, ""}} {
		r := setup(t, test.policy)
		r.feed.Revoke("shop", "stolen")
		good, stolen := r.mint("shop", "ada", "till").Access, r.mint("shop", "ada", "stolen").Access
		r.later.Store(true)
		if diff := cmp.Diff(inactive, r.introspect("backend.shop", stolen)); diff != "" {
			t.Errorf("%v, revoked (-want +got)\n%s", test.policy, diff)
		}
		if diff := cmp.Diff(inactive, r.introspect("backend.shop", "garbage")); diff != "" {
			t.Errorf("%v, garbage (-want +got)\n%s", test.policy, diff)
		}
		w := r.send("/v1/introspect", "backend.shop", "token="+good)
		if test.code == "" {
			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"active":true`) {
				t.Errorf("%v: %d %s", test.policy, w.Code, w.Body)
			}
			continue
		}
		if got := r.oauth(w, http.StatusServiceUnavailable); got != test.code {
			t.Errorf("%v: %s", test.policy, got)
		}
	}
}

func TestKeysThatAreAwaySignNobodyOut(t *testing.T) {
	t.Parallel()
	r := setup(t, gateway.FailOpen)
	r.keysAway = true
	foreign := "token=" + r.foreign.Token("shop", "7", "s")
	for _, path := range []string{"/v1/introspect", "/v1/revoke"} {
		if got := r.oauth(r.send(path, "backend.shop", foreign), http.StatusServiceUnavailable); got != "temporarily_unavailable" {
			t.Errorf("%s: %s", path, got)
		}
	}
	if said := r.introspect("backend.shop", r.mint("shop", "ada", "till").Access); said["active"] != true {
		t.Errorf("a token that needs no foreign key: %v", said)
	}
}

func TestForeignWaitsForKeys(t *testing.T) {
	t.Parallel()
	issuer := gatewaytest.NewIssuer()
	away := errors.New("no keys")
	verifier, err := tokens.NewVerifier(tokens.Config{
		Preset: tokens.Posse, Issuer: gatewaytest.Name,
		FetchKeys: func(context.Context) ([]byte, error) { return nil, away }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(verifier.Close)
	_, err = introspection.Foreign(gatewaytest.Name, verifier)(t.Context(), issuer.Token("shop", "7", "s"))
	if !errors.Is(err, introspection.ErrUnavailable) {
		t.Errorf("without keys: %v", err)
	}
}

func TestWhoMayAsk(t *testing.T) {
	t.Parallel()
	r := setup(t, gateway.FailClosed)
	body := "token=" + r.mint("shop", "ada", "till").Access
	for _, kind := range []string{"user", "admin", "auditor"} {
		if got := r.oauth(r.send("/v1/introspect", kind+".shop.ada", body), http.StatusForbidden); got != "unauthorized_client" {
			t.Errorf("%s: %s", kind, got)
		}
	}
	for _, bearer := range []string{"", "stranger"} {
		w := r.send("/v1/introspect", bearer, body)
		if challenge := w.Header().Get("WWW-Authenticate"); !strings.HasPrefix(challenge, "Bearer ") {
			t.Errorf("%q is challenged with %q", bearer, challenge)
		}
		if got := r.oauth(w, http.StatusUnauthorized); got != "invalid_client" {
			t.Errorf("%q: %s", bearer, got)
		}
	}
	if got := r.oauth(r.send("/v1/introspect", "nobody-can-tell", body), http.StatusServiceUnavailable); got != "temporarily_unavailable" {
		t.Errorf("keys of backends away: %s", got)
	}
}

func TestRequestsThatAreNone(t *testing.T) {
	t.Parallel()
	r := setup(t, gateway.FailClosed)
	good := r.mint("shop", "ada", "till").Access
	for _, path := range []string{"/v1/introspect", "/v1/revoke"} {
		for body, status := range map[string]int{
			"": 400, "token=": 400, "token=a&token=b": 400, "%zz": 400, "access_token=x": 400,
			"token=a&token_type_hint=access_token&token_type_hint=refresh_token": 400,
			"token=" + strings.Repeat("a", 65<<10):                               413,
		} {
			if got := r.oauth(r.send(path, "backend.shop", body), status); got != "invalid_request" {
				t.Errorf("%s %.60q: %s", path, body, got)
			}
		}
		w := r.send(path+"?token="+good, "backend.shop", "")
		if strings.Contains(w.Body.String(), good) || r.oauth(w, http.StatusBadRequest) != "invalid_request" {
			t.Errorf("%s with the token in the URL: %d", path, w.Code)
		}
		q := httptest.NewRequest(http.MethodPost, path, strings.NewReader(`{"token":"x"}`))
		q.Header.Set("Authorization", "Bearer backend.shop")
		q.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		r.handler.ServeHTTP(answer, q)
		if got := r.oauth(answer, http.StatusBadRequest); got != "invalid_request" {
			t.Errorf("%s as JSON: %s", path, got)
		}
	}
	if len(r.ender.ended) > 0 {
		t.Errorf("ended %+v", r.ender.ended)
	}
	hinted := r.send("/v1/introspect", "backend.shop", "unknown=x&token_type_hint=nonsense&token="+good)
	if !strings.Contains(hinted.Body.String(), `"active":true`) {
		t.Errorf("a wrong hint and an unknown parameter: %d %s", hinted.Code, hinted.Body)
	}
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	owner := principal.Principal{Kind: principal.User, Tenant: "shop", User: "ada", Session: "till", Roles: []string{"cashier"}}
	r := setup(t, gateway.FailClosed)
	pair := r.mint("shop", "ada", "till")
	for bearer, ip := range map[string]string{"": "192.0.2.1", "backend.shop": "", "admin.shop.root": "192.0.2.1", "user.shop.ada": "192.0.2.1"} {
		for _, compact := range []string{pair.Access, pair.Refresh} {
			r.ender.ended = nil
			w := r.send("/v1/revoke", bearer, "token="+compact)
			want := []commands.EndSession{{Caller: commands.Caller{Principal: owner, IP: ip}, Session: "till"}}
			if diff := cmp.Diff(want, r.ender.ended); diff != "" || w.Code != http.StatusOK || w.Body.Len() > 0 {
				t.Errorf("%q: %d %q (-want +got)\n%s", bearer, w.Code, w.Body, diff)
			}
		}
	}
}

func TestRevokeThatEndsNothing(t *testing.T) {
	t.Parallel()
	r := setup(t, gateway.FailClosed)
	own := r.mint("shop", "ada", "till").Access
	for name, test := range map[string]struct{ bearer, compact string }{
		"garbage":                  {"backend.shop", "garbage"},
		"garbage of nobody":        {"", "garbage"},
		"a backend elsewhere":      {"backend.other", own},
		"somebody else":            {"user.shop.bob", own},
		"an auditor":               {"auditor.shop.eve", own},
		"an admin elsewhere":       {"admin.other.ada", own},
		"a user of the same name":  {"user.other.ada", own},
		"a stranger's good format": {"", setup(t, gateway.FailClosed).mint("shop", "ada", "till").Refresh},
	} {
		if w := r.send("/v1/revoke", test.bearer, "token="+test.compact); w.Code != http.StatusOK || w.Body.Len() > 0 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	for _, bearer := range []string{"stranger", "nobody-can-tell"} {
		if w := r.send("/v1/revoke", bearer, "token="+own); w.Code < http.StatusBadRequest {
			t.Errorf("the credential %q: %d", bearer, w.Code)
		}
	}
	if len(r.ender.ended) > 0 {
		t.Errorf("ended %+v", r.ender.ended)
	}
}

func TestRevokeSaysWhetherItIsRecorded(t *testing.T) {
	t.Parallel()
	r := setup(t, gateway.FailClosed)
	body := "token=" + r.mint("shop", "ada", "till").Refresh
	for reason, want := range map[commands.Reason]struct {
		status int
		code   string
	}{
		commands.ReasonSessionRevoked: {http.StatusOK, ""},
		commands.ReasonSessionEnded:   {http.StatusOK, ""},
		commands.ReasonNotFound:       {http.StatusBadRequest, "unsupported_token_type"},
		commands.ReasonUnavailable:    {http.StatusServiceUnavailable, "temporarily_unavailable"},
		commands.ReasonInternal:       {http.StatusInternalServerError, "server_error"},
	} {
		r.ender.err = &commands.Error{Reason: reason, Detail: "a sentence"}
		if reason == commands.ReasonUnavailable {
			r.ender.err = commands.Retry(reason, time.Second, "the log does not answer")
		}
		w := r.send("/v1/revoke", "backend.shop", body)
		if want.code == "" {
			if w.Code != want.status {
				t.Errorf("%s: %d %s", reason, w.Code, w.Body)
			}
			continue
		}
		if got := r.oauth(w, want.status); got != want.code {
			t.Errorf("%s: %s", reason, got)
		}
	}
}

func TestOpenAPIDescribesBoth(t *testing.T) {
	t.Parallel()
	r := setup(t, gateway.FailClosed)
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/openapi.json", http.NoBody))
	var document struct {
		Paths map[string]map[string]struct {
			Security    []map[string][]string `json:"security"`
			RequestBody struct {
				Content map[string]struct {
					Schema struct {
						Required []string `json:"required"`
					} `json:"schema"`
				} `json:"content"`
			} `json:"requestBody"` //nolint:tagliatelle // OpenAPI writes it so
			Responses map[string]struct {
				Content map[string]struct {
					Schema map[string]string `json:"schema"`
				} `json:"content"`
			} `json:"responses"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	for path, alternatives := range map[string]int{"/v1/introspect": 1, "/v1/revoke": 2} {
		op := document.Paths[path]["post"]
		form := op.RequestBody.Content["application/x-www-form-urlencoded"].Schema.Required
		failure := op.Responses["default"].Content["application/json"].Schema["$ref"]
		if len(op.RequestBody.Content) != 1 || cmp.Diff([]string{"token"}, form) != "" || len(op.Security) != alternatives ||
			failure != "#/components/schemas/OAuthError" {
			t.Errorf("%s: %+v", path, op)
		}
	}
}

func TestNewNeedsItsParts(t *testing.T) {
	t.Parallel()
	if _, err := introspection.New(introspection.Config{}); err == nil {
		t.Error("a service of nothing is made")
	}
}
