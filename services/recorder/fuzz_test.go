package recorder_test

import (
	"net/http"
	"testing"

	"github.com/posse-pos/posse/pkg/httpapi"
)

// FuzzBodies sends what a stranger with a backend's key could: nothing that is
// refused is recorded, and nothing is a fault of ours.
func FuzzBodies(f *testing.F) {
	for _, body := range []string{
		`{"user":"ada","session":"till","at":"2026-03-02T08:00:00Z"}`, "{\"user\":\"a\",\"session\":\"b\"}\n{}", "\xff", `{"user":"\ud800"}`,
		`{"user":"7","user":"8"}`, `{"user":"ada","personal":{"ip":"::1","IP":"::2"}}`, `{"user":"ada","session":"till","uſer":"bob"}`,
		`{"user":"ada","personal":{"client_hints":{"a":"b"},"ip":"::1%0"}}`, "grant_type=refresh_token&refresh_token=x", "%", "a=1;b=2",
	} {
		for route := range byte(5) {
			f.Add(route, body)
		}
	}
	f.Fuzz(func(t *testing.T, route byte, body string) {
		s := open(t)
		router, api := httpapi.New(httpapi.Config{Title: "posse", Version: "1.0.0", Authenticator: bearers{}})
		s.Register(api)
		httpapi.RegisterEnders(api, s, nil)
		w := &web{s, router}
		routes := []request{
			{method: http.MethodPost, path: "/v1/sessions"},
			{method: http.MethodPost, path: "/v1/sessions/till/refresh"},
			{method: http.MethodPost, path: "/v1/touches"},
			{method: http.MethodPost, path: "/v1/touches", contentType: "application/x-ndjson"},
			{method: http.MethodDelete, path: "/v1/users/ada/sessions"},
		}
		q := routes[int(route)%len(routes)]
		q.bearer, q.body = "backend:k1", body
		answer := w.send(q)
		if answer.Code >= http.StatusInternalServerError {
			t.Fatalf("%s %s %q: %d %s", q.method, q.path, body, answer.Code, answer.Body)
		}
		if recorded := len(w.log.facts) + len(w.log.touches); recorded > 0 && answer.Code >= http.StatusBadRequest {
			t.Fatalf("%s %s %q is refused and recorded: %d %s", q.method, q.path, body, answer.Code, answer.Body)
		}
	})
}

// FuzzTokenRequest sends forms to the token endpoint, which nobody needs a
// credential for.
func FuzzTokenRequest(f *testing.F) {
	for _, body := range []string{"", "grant_type=refresh_token&refresh_token=a.b.c", "%", "a=1;b=2", "grant_type=refresh_token&refresh_token=%00"} {
		f.Add("application/x-www-form-urlencoded", body)
	}
	f.Fuzz(func(t *testing.T, contentType, body string) {
		w := openWeb(t)
		answer := w.send(request{method: http.MethodPost, path: "/v1/token", contentType: contentType, body: body})
		if answer.Code != http.StatusBadRequest && answer.Code != http.StatusRequestEntityTooLarge {
			t.Fatalf("%q %q: %d %s", contentType, body, answer.Code, answer.Body)
		}
	})
}
