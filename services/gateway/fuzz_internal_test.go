package gateway

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParseTokenSource holds that --token-from names one place, and that a cookie's
// name can be one.
func FuzzParseTokenSource(f *testing.F) {
	for _, text := range []string{"header", "cookie=pos_token", "parameter=authorization", "parameter==", "cookie=a b", "header=X", "", "cookie=\x7f"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		source, err := ParseTokenSource(text)
		if err != nil {
			if source != (TokenSource{}) || !strings.Contains(err.Error(), sourceChoices) {
				t.Errorf("%q is refused as %+v with %v", text, source, err)
			}
			return
		}
		if again := source.text(); again != text {
			t.Errorf("%q is read as %q", text, again)
		}
		if source.Cookie != "" && (&http.Cookie{Name: source.Cookie, Value: "x"}).String() == "" {
			t.Errorf("no request can have a cookie %q", source.Cookie)
		}
	})
}

// text is what ParseTokenSource reads.
func (t TokenSource) text() string {
	switch {
	case t.Cookie != "":
		return "cookie=" + t.Cookie
	case t.Parameter != "":
		return "parameter=" + t.Parameter
	default:
		return "header"
	}
}

// FuzzTokenFrom looks for a token in a request that a stranger made: what is found
// stands in the request, once, and a second one beside it is as bad as none.
func FuzzTokenFrom(f *testing.F) {
	f.Add("Bearer a.b.c", "c=a.b.c", "p=a.b.c", byte(7))
	f.Add("bearer  x ", `c="x"; c=`, "p=Bearer+x&%70=y", byte(3))
	f.Add("Basic x", "c=Bearer x; d", "p=;p=x", byte(4))
	places := []TokenSource{{}, {Cookie: "c"}, {Parameter: "p"}}
	f.Fuzz(func(t *testing.T, authorization, cookies, query string, which byte) {
		var sources []TokenSource
		for i, place := range places {
			if which&(1<<i) != 0 {
				sources = append(sources, place)
			}
		}
		r := &http.Request{URL: &url.URL{RawQuery: query}, Header: http.Header{"Authorization": {authorization}, "Cookie": {cookies}}}
		token := tokenFrom(sources)(r)
		if strings.TrimSpace(token) == "" {
			return
		}
		values, _ := url.ParseQuery(query)
		said := authorization + "\x00" + cookies + "\x00" + strings.Join(values["p"], "\x00")
		if !strings.Contains(said, token) {
			t.Errorf("%q stands nowhere in the request", token)
		}
		found := 0
		for _, source := range sources {
			found += len(source.read(r))
		}
		if found != 1 {
			t.Errorf("%q was taken although %d stand in the request", token, found)
		}
		r.Header.Add("Authorization", authorization)
		r.Header.Add("Cookie", cookies)
		r.URL.RawQuery = query + "&" + query
		if twice := tokenFrom(sources)(r); twice != "" {
			t.Errorf("%q was taken of a request that has it twice", twice)
		}
	})
}

// FuzzForwarded asks the doors in the words of a proxy that passes on what a stranger
// sent: nobody without a token is let in, and what is answered is bounded.
func FuzzForwarded(f *testing.F) {
	f.Add("GET", "shop.example", "/orders?a=b", "203.0.113.7, 10.0.0.1", "for=203.0.113.7")
	f.Add("", "", "?%zz", ",,", "\x00")
	f.Add("CONNECT", "[::1", "//x", "%", "for=\"[2001:db8::1]:80\";by=_a")
	f.Fuzz(func(t *testing.T, method, host, uri, forwardedFor, forwarded string) {
		question := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/authz/forward-auth", http.NoBody)
		for name, value := range map[string]string{
			"X-Forwarded-Method": method, "X-Forwarded-Host": host, "X-Forwarded-Uri": uri,
			"X-Forwarded-For": forwardedFor, "Forwarded": forwarded,
		} {
			question.Header.Set(name, value)
		}
		client := clientOf(question, "X-Forwarded-Method", "X-Forwarded-Host", "X-Forwarded-Uri")
		path, query, _ := strings.Cut(uri, "?")
		if client.URL.Path != path || client.URL.RawQuery != query || client.Method == "" || client.Host == "" {
			t.Errorf("%q %q %q is taken for %s %s %+v", method, host, uri, client.Method, client.Host, client.URL)
		}
		for _, logged := range []string{client.Method, client.Host, client.URL.Path} {
			if len(cut(logged)) > maxLogged {
				t.Errorf("%d bytes would be logged", len(cut(logged)))
			}
		}
		if utf8.ValidString(uri) && question.URL.Path != "/authz/forward-auth" {
			t.Errorf("the question itself is now for %q", question.URL.Path)
		}
	})
}
