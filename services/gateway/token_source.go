package gateway

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/posse-pos/posse/pkg/gateway"
)

// TokenSource is a place in a request where its access token may stand. The zero
// TokenSource is the Authorization header (RFC 6750 §2.1).
type TokenSource struct {
	// Cookie names a cookie, Parameter a parameter of the URL's query; at most one of
	// them is set. A parameter's value may begin with "Bearer ".
	Cookie, Parameter string
}

const sourceChoices = "choose header (Authorization), cookie=NAME or parameter=NAME"

// ParseTokenSource reads "header", or "cookie=" or "parameter=" and a name.
func ParseTokenSource(text string) (TokenSource, error) {
	kind, name, _ := strings.Cut(text, "=")
	switch {
	case text == "header":
		return TokenSource{}, nil
	case kind == "cookie" && isToken(name):
		return TokenSource{Cookie: name}, nil
	case kind == "parameter" && name != "":
		return TokenSource{Parameter: name}, nil
	}
	return TokenSource{}, fmt.Errorf("gateway: no token stands in %q: %s", text, sourceChoices)
}

// isToken reports whether a name can be a cookie's (RFC 6265 §4.1.1, RFC 9110
// §5.6.2).
func isToken(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	})
}

// tokenFrom returns the function that finds a request's token where it may stand.
// Two tokens are as bad as none, even if they are the same: the service behind
// might go by another one than the gateway did (RFC 6750 §2).
func tokenFrom(sources []TokenSource) func(*http.Request) string {
	return func(r *http.Request) string {
		found := make([]string, 0, 1)
		for _, source := range sources {
			found = append(found, source.read(r)...)
		}
		if len(found) != 1 {
			return ""
		}
		return found[0]
	}
}

// read returns what stands in the source. An empty cookie or parameter is none,
// but any Authorization header counts, also one of another scheme.
func (t TokenSource) read(r *http.Request) []string {
	var found []string
	switch {
	case t.Cookie != "":
		for _, cookie := range r.CookiesNamed(t.Cookie) {
			found = appendToken(found, cookie.Value)
		}
	case t.Parameter != "":
		for _, value := range r.URL.Query()[t.Parameter] {
			found = appendToken(found, value)
		}
	default:
		found = r.Header.Values("Authorization")
		if len(found) == 1 {
			return []string{gateway.BearerToken(r)}
		}
	}
	return found
}

// appendToken adds a value that may begin with the scheme, as some clients send it
// where they cannot send the header.
func appendToken(found []string, value string) []string {
	if scheme, token, both := strings.Cut(value, " "); both && strings.EqualFold(scheme, "Bearer") {
		value = strings.TrimSpace(token)
	}
	if value == "" {
		return found
	}
	return append(found, value)
}
