package signin

import (
	"net/http"
	"time"

	"github.com/posse-pos/posse/pkg/token"
)

const (
	// CookieName is the name of the cookie that says who has signed in. The prefix
	// has browsers take it only with Secure, for this host alone and for all its
	// paths (RFC 6265bis §4.1.3.2).
	CookieName = "__Host-posse"
	// requestCookie is kept while somebody is away at the provider.
	requestCookie = "__Host-posse-oidc"
	// maxCookies is how many cookies of one name are looked at: a browser may have
	// one in the partition of an embedding page and one outside.
	maxCookies = 2
)

// cookies writes cookies.
type cookies struct {
	embedded bool // within pages of other sites
	now      func() time.Time
}

// set keeps a session in the browser until its end.
func (c cookies) set(w http.ResponseWriter, value string, expires time.Time) {
	http.SetCookie(w, c.session(value, max(1, int(expires.Sub(c.now())/time.Second))))
}

func (c cookies) forget(w http.ResponseWriter) { http.SetCookie(w, c.session("", -1)) }

// session is for this site alone. Embedded in another, the screen is a third
// party there: its cookie has to say that it may be sent, and is kept apart for
// each site that embeds it (CHIPS).
func (c cookies) session(value string, maxAge int) *http.Cookie {
	cookie := &http.Cookie{
		Name: CookieName, Value: value, MaxAge: maxAge, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if c.embedded {
		cookie.SameSite, cookie.Partitioned = http.SameSiteNoneMode, true
	}
	return cookie
}

// setRequest keeps an authorization request; "" drops it. It is Lax in any case:
// what comes back from a provider is a navigation.
func (cookies) setRequest(w http.ResponseWriter, value string) {
	cookie := &http.Cookie{
		Name: requestCookie, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		MaxAge: int(token.AuthRequestLifetime / time.Second),
	}
	if value == "" {
		cookie.MaxAge = -1
	}
	http.SetCookie(w, cookie)
}

// Forget has the browser drop its cookie: for those who ended its session by
// another way than SignOut.
func (s *SignIn) Forget(w http.ResponseWriter) { s.cookies.forget(w) }

// hasCookie reports whether a browser sent a cookie, good or not.
func hasCookie(r *http.Request) bool { return len(r.CookiesNamed(CookieName)) > 0 }
