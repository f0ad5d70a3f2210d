package recorder_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/services/recorder"
)

// web is a shop with its API.
type web struct {
	*shop

	handler http.Handler
}

func openWeb(t *testing.T, change ...func(*recorder.Config)) *web {
	t.Helper()
	s := openMinting(t, change...)
	router, api := httpapi.New(httpapi.Config{Title: "posse", Version: "1.0.0", Authenticator: bearers{}})
	s.Register(api)
	httpapi.RegisterEnders(api, s, nil)
	return &web{s, router}
}

type request struct {
	method, path, bearer, contentType, body string
	header                                  map[string]string
}

func (w *web) send(q request) *httptest.ResponseRecorder {
	r := httptest.NewRequest(q.method, q.path, strings.NewReader(q.body))
	if q.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+q.bearer)
	}
	if q.contentType != "" {
		r.Header.Set("Content-Type", q.contentType)
	}
	for name, value := range q.header {
		r.Header.Set(name, value)
	}
	answer := httptest.NewRecorder()
	w.handler.ServeHTTP(answer, r)
	return answer
}

func (w *web) post(path, contentType, body string) *httptest.ResponseRecorder {
	return w.send(request{method: http.MethodPost, path: path, bearer: "backend:k1", contentType: contentType, body: body})
}

func into[T any](t *testing.T, answer *httptest.ResponseRecorder, status int) T {
	t.Helper()
	var v T
	if answer.Code != status {
		t.Fatalf("answer is %d %s, want %d", answer.Code, answer.Body, status)
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v: %s", err, answer.Body)
	}
	return v
}

func TestPostLogin(t *testing.T) {
	t.Parallel()
	w := openWeb(t)
	answer := w.send(request{
		method: http.MethodPost, path: "/v1/sessions", bearer: "backend:k1",
		body:   `{"user":"ada","session":"a/b ü","platform":"ios","expires":"2026-03-03T09:00:00.1239Z","personal":{"username":"ada","ip":"::1"}}`,
		header: map[string]string{"Idempotency-Key": "x"},
	})
	done := into[commands.LoggedIn](t, answer, http.StatusCreated)
	if done.Session != "a/b ü" || !done.Expires.Equal(nine.Add(24*time.Hour+123*time.Millisecond)) || done.Tokens == nil {
		t.Errorf("answer is %+v", done)
	}
	if got := answer.Header().Get("Location"); got != "/v1/sessions/a%2Fb%20%C3%BC" {
		t.Errorf("Location is %q", got)
	}
	if got := answer.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("tokens are answered with Cache-Control %q", got)
	}
	ended := w.send(request{method: http.MethodDelete, path: answer.Header().Get("Location"), bearer: "backend:k1"})
	if ended.Code != http.StatusOK {
		t.Errorf("the location cannot be ended: %d %s", ended.Code, ended.Body)
	}
}

func TestNoFactAndNoLogHoldsAToken(t *testing.T) {
	t.Parallel()
	w := openWeb(t)
	done := into[commands.LoggedIn](t, w.post("/v1/sessions", "", `{"user":"ada"}`), http.StatusCreated)
	stored, err := json.Marshal(w.log.facts)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{done.Tokens.Access, done.Tokens.Refresh} {
		if strings.Contains(string(stored), secret) {
			t.Error("a token is in the log")
		}
	}
}

func TestBadInputIsNamed(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 600)
	cases := []struct {
		path, contentType, body string
		status                  int
		reason, field           string
	}{
		{"/v1/sessions", "", ``, 400, "malformed_request", ""},
		{"/v1/sessions", "", `{"user":`, 400, "malformed_request", "body"},
		{"/v1/sessions", "", "{\"user\":\"\xff\"}", 400, "malformed_request", "body"},
		{"/v1/sessions", "", "\x89PNG\r\n\x1a\n\x00", 400, "malformed_request", "body"},
		{"/v1/sessions", "", `{"user":"ada"}{"user":"bob"}`, 400, "malformed_request", "body"},
		{"/v1/sessions", "", `{"user":"7","user":"8"}`, 400, "malformed_request", "body"},
		{"/v1/sessions", "text/plain", `{"user":"ada"}`, 415, "unsupported_media_type", "body"},
		{"/v1/sessions", "", `[]`, 422, "invalid", "body"},
		{"/v1/sessions", "", `null`, 422, "invalid", "body"},
		{"/v1/sessions", "", `{}`, 422, "invalid", "body"},
		{"/v1/sessions", "", `{"user":""}`, 422, "invalid", "user"},
		{"/v1/sessions", "", `{"user":7}`, 422, "invalid", "user"},
		{"/v1/sessions", "", `{"user":"a\u0000b"}`, 422, "invalid", "user"},
		{"/v1/sessions", "", `{"user":"ada","tenant":"other"}`, 422, "invalid", "tenant"},
		{"/v1/sessions", "", `{"user":"ada","User":"bob"}`, 400, "malformed_request", "body"},
		{"/v1/sessions", "", `{"user":"ada","Session":"till"}`, 422, "invalid", "Session"},
		{"/v1/sessions", "", `{"user":"ada","created":"yesterday"}`, 422, "invalid", "created"},
		{"/v1/sessions", "", `{"user":"ada","created":1700000000}`, 422, "invalid", "created"},
		{"/v1/sessions", "", `{"user":"ada","roles":"admin"}`, 422, "invalid", "roles"},
		{"/v1/sessions", "", `{"user":"ada","personal":{"user_agent":"` + long + `"}}`, 422, "invalid", "personal.user_agent"},
		{"/v1/sessions", "", `{"user":"ada","personal":{"display_name":"` + strings.Repeat("ü", 200) + `"}}`, 422, "invalid", "personal.display_name"},
		{"/v1/sessions", "", `{"user":"ada","personal":{"client_hints":{"a":1}}}`, 422, "invalid", "personal.client_hints.a"},
		{"/v1/sessions", "", `{"user":"` + strings.Repeat("x", 70<<10) + `"}`, 413, "too_large", ""},
		{"/v1/sessions/till/refresh", "", `{}`, 422, "invalid", "body"},
		{"/v1/sessions/till/refresh", "", `{"user":"ada","ip":"x"}`, 422, "invalid", "ip"},
		{"/v1/sessions/" + long + "/refresh", "", `{"user":"ada"}`, 422, "invalid", "session"},
		{"/v1/touches", "", ``, 400, "malformed_request", ""},
		{"/v1/touches", "", `[]`, 400, "malformed_request", "body"},
		{"/v1/touches", "", `{"user":"ada","session":"till","USER":"bob"}`, 400, "malformed_request", "body"},
		{"/v1/touches", "text/csv", `a`, 415, "unsupported_media_type", ""},
		{"/v1/touches", "", `{"user":"ada"}`, 422, "invalid", "session"},
		{"/v1/touches", "", `{"user":"ada","session":"till","at":"2030-01-01T00:00:00Z"}`, 422, "invalid", "at"},
		{"/v1/touches", "application/x-ndjson", ``, 400, "malformed_request", ""},
		{"/v1/touches", "application/x-ndjson", `{"user":"ada","session":"till","session":"desk"}`, 422, "invalid", "line 1"},
		{"/v1/touches", "application/x-ndjson", "\n \n", 422, "invalid", "touches"},
		{"/v1/touches", "application/x-ndjson", "{\"user\":\"ada\",\"session\":\"till\"}\n\n{\"usr\":1}\n", 422, "invalid", "line 3"},
		{"/v1/touches", "application/x-ndjson", "{\"user\":7,\"session\":\"till\"}\n", 422, "invalid", "line 1"},
		{"/v1/touches", "application/x-ndjson", "{\"user\":\"ada\",\"session\":\"\"}", 422, "invalid", "line 1: session"},
		{"/v1/touches", "application/x-ndjson", strings.Repeat("{\"user\":\"ada\",\"session\":\"till\"}\n", 1001), 422, "invalid", "body"},
		{"/v1/touches", "application/x-ndjson", strings.Repeat("x", 1<<20), 413, "too_large", ""},
	}
	for _, c := range cases {
		w := openWeb(t)
		answer := w.post(c.path, c.contentType, c.body)
		problem := into[httpapi.Problem](t, answer, c.status)
		if problem.Reason != c.reason || c.field != "" && (len(problem.Errors) == 0 || problem.Errors[0].Name != c.field) {
			t.Errorf("%s %.60q: %s, want %s of %q", c.path, c.body, answer.Body, c.reason, c.field)
		}
		if strings.Contains(answer.Body.String(), "recorder.") || strings.Contains(answer.Body.String(), "commands.") {
			t.Errorf("%s %.60q names Go's types: %s", c.path, c.body, answer.Body)
		}
		if len(w.log.facts) != 0 || len(w.log.touches) != 0 {
			t.Errorf("%s %.60q was recorded", c.path, c.body)
		}
	}
}

func TestALoginThatIsTooLargeIsToldTheLimit(t *testing.T) {
	t.Parallel()
	w := openWeb(t)
	hints := map[string]string{}
	for _, letter := range "abcdefghijklmnop" {
		hints[strings.Repeat(string(letter), events.MaxClientHint)] = strings.Repeat("<", events.MaxClientHint)
	}
	body, err := json.Marshal(map[string]any{"user": "ada", "personal": map[string]any{"client_hints": hints}})
	if err != nil {
		t.Fatal(err)
	}
	w.log.before = func(int) error {
		return fmt.Errorf("natslog: invalid append: fact 0: %w: 28000 bytes", events.ErrTooLarge)
	}
	for range 2 {
		problem := into[httpapi.Problem](t, w.post("/v1/sessions", "", string(body)), http.StatusUnprocessableEntity)
		want := []commands.Field{{
			Name: "personal", Message: "is too large: as JSON, all that is recorded of one login may have at most 16384 bytes",
		}}
		if diff := cmp.Diff(want, problem.Errors); diff != "" || problem.Detail != "not acceptable: personal" {
			t.Errorf("%s %s", problem.Detail, diff)
		}
		w.log.before = nil // the next is refused for its size
	}
}

func TestPostTouches(t *testing.T) {
	t.Parallel()
	w := openWeb(t)
	answer := w.post("/v1/touches", "application/json; charset=utf-8", `{"user":"ada","session":"till","ip":"198.51.100.7"}`)
	if answer.Code != http.StatusAccepted || strings.TrimSpace(answer.Body.String()) != `{"recorded":1}` {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	var lines strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&lines, "{\"user\":\"u%d\",\"session\":\"s\",\"at\":\"2026-03-02T08:00:00Z\"}\r\n", i)
	}
	answer = w.post("/v1/touches", "application/x-ndjson", lines.String())
	if answer.Code != http.StatusAccepted || len(w.log.touches) != 1001 {
		t.Fatalf("%d %s, %d touches", answer.Code, answer.Body, len(w.log.touches))
	}
	got := w.log.touches[events.Key{Tenant: "shop", User: "u7", Session: "s"}].Event
	if !got.Occurred().Time().Equal(nine.Add(-time.Hour)) {
		t.Errorf("touch is %+v", got)
	}
}

func (w *web) redeem(form url.Values) *httptest.ResponseRecorder {
	return w.send(request{
		method: http.MethodPost, path: "/v1/token", contentType: "application/x-www-form-urlencoded", body: form.Encode(),
		header: map[string]string{"User-Agent": strings.Repeat("é", 300)},
	})
}

func TestTokenEndpoint(t *testing.T) {
	t.Parallel()
	w := openWeb(t)
	tokens := w.mint("ada")
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.Refresh}}
	answer := w.redeem(form)
	got := into[map[string]any](t, answer, http.StatusOK)
	if got["token_type"] != "Bearer" || got["expires_in"] != 300.0 || got["session"] != "ada-1" || got["refresh_token"] == tokens.Refresh {
		t.Errorf("answer is %v", got)
	}
	if answer.Header().Get("Cache-Control") != "no-store" || answer.Header().Get("Pragma") != "no-cache" {
		t.Errorf("headers are %v", answer.Header())
	}
	reused := into[map[string]any](t, w.redeem(form), http.StatusBadRequest)
	if reused["error"] != "invalid_grant" || len(w.revoked("ada")) != 1 {
		t.Errorf("reuse is answered %v with %d ends", reused, len(w.revoked("ada")))
	}
	for _, bad := range []struct {
		form url.Values
		want string
	}{
		{url.Values{}, "invalid_request"},
		{url.Values{"grant_type": {"refresh_token"}}, "invalid_request"},
		{url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"a", "b"}}, "invalid_request"},
		{url.Values{"grant_type": {"refresh_token", "refresh_token"}, "refresh_token": {"a"}}, "invalid_request"},
		{url.Values{"grant_type": {"password"}}, "unsupported_grant_type"},
		{url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"\x00"}}, "invalid_grant"},
	} {
		answer := w.redeem(bad.form)
		if got := into[map[string]any](t, answer, http.StatusBadRequest); got["error"] != bad.want || answer.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%v is answered %v as %s", bad.form, got, answer.Header().Get("Content-Type"))
		}
	}
	for _, raw := range []request{
		{contentType: "application/json", body: `{}`},
		{contentType: "application/x-www-form-urlencoded", body: "%zz"},
		{contentType: "application/x-www-form-urlencoded"},
	} {
		raw.method, raw.path = http.MethodPost, "/v1/token"
		if got := into[map[string]any](t, w.send(raw), http.StatusBadRequest); got["error"] != "invalid_request" {
			t.Errorf("%+v is answered %v", raw, got)
		}
	}
}

func TestJWKSHoldsThePublicKeys(t *testing.T) {
	t.Parallel()
	w := openWeb(t)
	answer := w.send(request{method: http.MethodGet, path: "/.well-known/jwks.json"})
	set := into[struct{ Keys []map[string]any }](t, answer, http.StatusOK)
	if len(set.Keys) != 1 || set.Keys[0]["kid"] == nil || set.Keys[0]["d"] != nil {
		t.Errorf("keys are %v", set.Keys)
	}
	if answer.Header().Get("Content-Type") != "application/jwk-set+json" || !strings.HasPrefix(answer.Header().Get("Cache-Control"), "public") {
		t.Errorf("headers are %v", answer.Header())
	}
}

func TestWithoutAnIssuerThereAreNoTokenRoutes(t *testing.T) {
	t.Parallel()
	s := open(t)
	router, api := httpapi.New(httpapi.Config{Title: "posse", Version: "1.0.0"})
	s.Register(api)
	w := &web{s, router}
	for _, path := range []string{"/v1/token", "/.well-known/jwks.json"} {
		if answer := w.send(request{method: http.MethodGet, path: path}); answer.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, answer.Code)
		}
	}
}

func TestARepeatedDeleteIsAnsweredWithTheSameBytes(t *testing.T) {
	t.Parallel()
	w := openWeb(t)
	w.signIn("ada", "a", "b")
	q := request{
		method: http.MethodDelete, path: "/v1/users/ada/sessions", bearer: "admin:root/root-1",
		header: map[string]string{"Idempotency-Key": "k"}, body: `{"reason_admin":"stolen"}`,
	}
	first := w.send(q)
	w.signIn("ada", "c")
	if again := w.send(q); again.Body.String() != first.Body.String() || first.Code != http.StatusOK {
		t.Errorf("%d %s and then %s", first.Code, first.Body, again.Body)
	}
}
