package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/posse-pos/posse/services/gateway"
)

func TestParseTokenSource(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]gateway.TokenSource{
		"header": {}, "cookie=pos_token": {Cookie: "pos_token"}, "parameter=authorization": {Parameter: "authorization"},
	} {
		if got, err := gateway.ParseTokenSource(text); err != nil || got != want {
			t.Errorf("ParseTokenSource(%q) = %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "body", "cookie", "cookie=", "cookie=a b", "cookie=a;b", "parameter=", "header=X-Token", "Cookie=a"} {
		if got, err := gateway.ParseTokenSource(text); err == nil || !strings.Contains(err.Error(), "cookie=NAME") {
			t.Errorf("ParseTokenSource(%q) = %+v, %v", text, got, err)
		}
	}
}

// TestTokenSources asks at the door that is told least about the client's request.
func TestTokenSources(t *testing.T) {
	t.Parallel()
	header, cookie, parameter := gateway.TokenSource{}, gateway.TokenSource{Cookie: "c"}, gateway.TokenSource{Parameter: "p"}
	type sources = []gateway.TokenSource
	for name, test := range map[string]struct {
		sources sources
		uri     string // TOKEN stands for a good one
		header  http.Header
		status  int
	}{
		"the header by default":              {nil, "", http.Header{"Authorization": {"Bearer TOKEN"}}, 200},
		"no cookie by default":               {nil, "", http.Header{"Cookie": {"c=TOKEN"}}, 401},
		"no parameter by default":            {nil, "?p=TOKEN", nil, 401},
		"a header that is not asked for":     {sources{cookie}, "", http.Header{"Authorization": {"Bearer TOKEN"}}, 401},
		"a header that does not count":       {sources{cookie}, "", http.Header{"Authorization": {"Basic x"}, "Cookie": {"c=TOKEN"}}, 200},
		"a cookie":                           {sources{header, cookie}, "", http.Header{"Cookie": {"c=TOKEN"}}, 200},
		"a quoted cookie":                    {sources{cookie}, "", http.Header{"Cookie": {`c="TOKEN"`}}, 200},
		"an empty cookie and a header":       {sources{header, cookie}, "", http.Header{"Cookie": {"c="}, "Authorization": {"Bearer TOKEN"}}, 200},
		"a cookie and a header":              {sources{header, cookie}, "", http.Header{"Cookie": {"c=TOKEN"}, "Authorization": {"Bearer TOKEN"}}, 401},
		"a cookie and another scheme":        {sources{header, cookie}, "", http.Header{"Cookie": {"c=TOKEN"}, "Authorization": {"Basic x"}}, 401},
		"two cookies in two headers":         {sources{cookie}, "", http.Header{"Cookie": {"c=TOKEN", "c=TOKEN"}}, 401},
		"a parameter":                        {sources{parameter}, "?a=b&p=TOKEN", nil, 200},
		"a parameter with its scheme":        {sources{parameter}, "?p=bearer+TOKEN", nil, 200},
		"a parameter whose name is encoded":  {sources{parameter}, "?%70=TOKEN", nil, 200},
		"two parameters, one of them hidden": {sources{parameter}, "?p=TOKEN&%70=x", nil, 401},
		"an empty parameter":                 {sources{parameter}, "?p=&p=TOKEN", nil, 200},
		"a parameter beside nonsense":        {sources{parameter}, "?q=100%&p=TOKEN", nil, 200},
		"a parameter after a semicolon":      {sources{parameter}, "?q=1;p=TOKEN", nil, 401},
		"a parameter in the path":            {sources{parameter}, "p=TOKEN", nil, 401},
		"a parameter and a cookie":           {sources{cookie, parameter}, "?p=TOKEN", http.Header{"Cookie": {"c=TOKEN"}}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := setup(t, nil, func(c *gateway.Config) { c.TokenSources = test.sources })
			fill := strings.NewReplacer("TOKEN", r.issuer.Token("shop", "anna", "s1")).Replace
			// The question's own query is not the client's.
			request := r.request(t, http.MethodGet, "/authz/forward-auth?p=x", nil)
			request.Header.Del("Authorization")
			request.Header.Set("X-Forwarded-Uri", "/orders"+fill(test.uri))
			for name, values := range test.header {
				for _, value := range values {
					request.Header.Add(name, fill(value))
				}
			}
			if got := r.do(t, request); got.code != test.status {
				t.Errorf("%s %s", got.status, got.body)
			}
		})
	}
}
