package wcpos_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/posse-pos/posse/services/query/wcpos"
)

// The token may come as a parameter where the operator wants that.
func TestTokenParameter(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		request

		status int
		file   string
	}{
		"a token in the parameter": {request{path: "/test?authorization=Bearer+x"}, 200, "test_param.json"},
		"tokens in both":           {request{path: "/test?authorization=x", bearer: "x"}, 200, "test_both.json"},
		"no token":                 {request{path: "/test"}, 200, "test_none.json"},
		"with the scheme":          {request{path: "/sessions?authorization=Bearer+user"}, 200, "sessions_own.json"},
		"alone":                    {request{path: "/sessions?authorization=user"}, 200, "sessions_own.json"},
		"empty":                    {request{path: "/sessions?authorization="}, 401, "unauthorized.json"},
		"a stranger's":             {request{path: "/sessions?authorization=Bearer+stranger"}, 401, "unauthorized_token.json"},
		"the header comes first":   {request{path: "/sessions?authorization=user", bearer: "stranger"}, 401, "unauthorized_token.json"},
		"terminate":                {request{method: del, path: "/sessions/" + register + "?user_id=42&authorization=user"}, 200, "ended_one.json"},
		"not in a body":            {request{method: del, path: "/sessions?user_id=42", body: "authorization=user"}, 401, "unauthorized.json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := setup(t, func(c *wcpos.Config) { c.TokenParameter = true })
			r.shop()
			q := row.request
			q.path = v1 + q.path
			r.answers(q, row.status, row.file)
		})
	}
	t.Run("not unless they do", func(t *testing.T) {
		t.Parallel()
		r := setup(t)
		r.shop()
		r.answers(request{path: v1 + "/sessions?authorization=user"}, 401, "unauthorized.json")
	})
}

// A credential is a bearer token, with or without the word, and no cookie.
func TestCredentials(t *testing.T) {
	t.Parallel()
	for header, status := range map[string]int{
		"Bearer user":       200,
		"bearer  user":      200,
		"user":              200,
		"Bearer":            401,
		"Basic dXNlcjp4":    401,
		"Bearer user admin": 401,
		"Bearer " + longest: 200,
		"Bearer " + tooLong: 401,
	} {
		r := setup(t)
		r.shop()
		got := r.do(request{path: v1 + "/sessions", header: map[string]string{"Authorization": header}})
		if got.Code != status {
			t.Errorf("%.40q answered %d %s", header, got.Code, got.Body)
		}
	}
	r := setup(t)
	r.shop()
	for _, cookie := range []string{"__Host-posse=user", "wordpress_logged_in=user", "wcpos_web_session_jti=" + tablet} {
		q := request{method: del, path: v1 + "/sessions?user_id=42", header: map[string]string{"Cookie": cookie, "X-WP-Nonce": "1"}}
		r.answers(q, 401, "unauthorized.json")
	}
	if len(r.ender.all) != 0 {
		t.Errorf("a cookie ended sessions: %+v", r.ender.all)
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	for path, want := range map[string]map[string]string{
		"":                  {"WWW-Authenticate": `Bearer realm="posse"`, "Vary": "Authorization", "Retry-After": ""},
		"stranger":          {"WWW-Authenticate": `Bearer realm="posse", error="invalid_token"`},
		"unavailable":       {"Retry-After": "1", "WWW-Authenticate": ""},
		"backend":           {"WWW-Authenticate": "", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
		"admin":             {"Posse-Position": "9", "X-Wp-Total": "", "Posse-Limit": ""},
		"admin of the list": {"Posse-Position": "9", "X-Wp-Total": "4", "Posse-Limit": ""},
	} {
		bearer, list, _ := strings.Cut(path, " of ")
		route := v1 + "/sessions"
		if list != "" {
			route = v1 + "/users/sessions"
		}
		got := r.do(request{path: route, bearer: bearer})
		for name, value := range want {
			if got.Header().Get(name) != value {
				t.Errorf("%s as %q has %s %q, want %q", route, bearer, name, got.Header().Get(name), value)
			}
		}
	}
}

// HEAD is answered as GET is, without a body; for the list nothing but the first
// page is read.
func TestHead(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.crowd(600, 1)
	server := r.serve()
	for _, path := range []string{"/users/sessions", "/sessions", "/test"} {
		got := fetch(t, server, request{method: http.MethodHead, path: v1 + path, bearer: "admin"})
		if got.err != nil || got.status != http.StatusOK || got.body != "" {
			t.Errorf("HEAD %s answered %+v", path, got)
		}
	}
	w := newTape(r)
	r.handler.ServeHTTP(w, request{method: http.MethodHead, path: v1 + "/users/sessions", bearer: "admin"}.build(t))
	if diff := cmp.Diff([]string{"users 500", "sessions of 500"}, w.notes); diff != "" || w.header.Get("X-Wp-Total") != "600" {
		t.Errorf("X-WP-Total is %q (-want +got)\n%s", w.header.Get("X-Wp-Total"), diff)
	}
}

// OPTIONS describes a route, to anybody: a browser's preflight carries no token.
func TestOptions(t *testing.T) {
	t.Parallel()
	r := setup(t)
	for path, want := range map[string][2]string{
		v1 + "/sessions":           {"GET, DELETE", "options_sessions.json"},
		v2 + "/sessions":           {"GET, DELETE", "options_sessions_v2.json"},
		v1 + "/sessions/" + tablet: {"DELETE", "options_session.json"},
		v1 + "/users/sessions":     {"GET", "options_users.json"},
		v1 + "/test":               {"GET", "options_test.json"},
	} {
		got := r.answers(request{method: http.MethodOptions, path: path}, 200, want[1])
		if allow := got.Header().Get("Allow"); allow != want[0] {
			t.Errorf("%s allows %q", path, allow)
		}
	}
}
