package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"
	"time"
)

// The headers with which a gateway tells the service behind it who is asking.
// Copies that a client sent are dropped, see IsIdentityHeader.
const (
	HeaderSession = "X-Session-Id"
	HeaderUser    = "X-User-Id"
	HeaderTenant  = "X-Tenant-Id"
)

// IsIdentityHeader reports whether a service may take a header for HeaderSession,
// HeaderUser or HeaderTenant. Case does not count, and neither does which character
// stands between the words: where headers become variables, as for CGI, PHP and
// WSGI, X_User_Id and X-User-Id are both HTTP_X_USER_ID.
func IsIdentityHeader(name string) bool {
	return alike(name, HeaderSession) || alike(name, HeaderUser) || alike(name, HeaderTenant)
}

// alike compares two names, of which the second has a hyphen between its words.
func alike(name, header string) bool {
	if len(name) != len(header) {
		return false
	}
	for i := range len(name) {
		a, b := lower(name[i]), lower(header[i])
		if isWord := b != '-'; isWord && a != b || !isWord && 'a' <= a && a <= 'z' {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// retryAfter is what a 503 tells clients to wait, in seconds.
const retryAfter = "1"

// keysWait is how long a request waits for keys that may verify its token.
const keysWait = 2 * time.Second

type contextKey struct{}

// FromContext returns the session that Middleware admitted, and whether there is
// one.
func FromContext(ctx context.Context) (Session, bool) {
	session, ok := ctx.Value(contextKey{}).(Session)
	return session, ok
}

// NewContext returns a context that carries a session, for those who call Admit
// themselves, and for tests of handlers.
func NewContext(ctx context.Context, session Session) context.Context {
	return context.WithValue(ctx, contextKey{}, session)
}

// Middleware admits requests to next by their bearer token (RFC 6750 §2.1), or by
// that of Config.Token, and reports the session's activity. next finds the session
// with FromContext, and never sees an X-Session-Id, X-User-Id or X-Tenant-Id of the
// client's. Everybody else gets the answer of WriteDenial.
func (g *Gateway) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := g.AdmitRequest(r)
		if err != nil {
			WriteDenial(w, err)
			return
		}
		r = r.WithContext(NewContext(r.Context(), session))
		r.Header = r.Header.Clone()
		maps.DeleteFunc(r.Header, func(name string, _ []string) bool { return IsIdentityHeader(name) })
		next.ServeHTTP(w, r)
	})
}

// AdmitRequest is Admit for a request: the token from Config.Token, the origin from
// Config.ClientIP and its user agent. When the issuer's keys are not at hand it
// waits for them, for two seconds at most.
func (g *Gateway) AdmitRequest(r *http.Request) (Session, error) {
	token := g.cfg.Token(r)
	origin := Origin{IP: g.cfg.ClientIP(r), UserAgent: r.UserAgent()}
	session, err := g.Admit(token, origin)
	var denial *Denial
	if !errors.As(err, &denial) || denial.Reason != ReasonKeys {
		return session, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), keysWait)
	defer cancel()
	if g.cfg.Verifier.Refresh(ctx) != nil {
		return session, err
	}
	return g.Admit(token, origin)
}

// BearerToken returns the token in a request's Authorization header, and "" if
// there is none, or more than one.
func BearerToken(r *http.Request) string {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// Problem is the body of a denial (RFC 9457).
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Reason Reason `json:"reason"`
}

// Write answers a request with the problem. Its type is made of its reason.
func (p Problem) Write(w http.ResponseWriter) {
	p.Type = problemType + string(p.Reason)
	body, err := json.Marshal(p)
	if err != nil {
		body = nil // strings and a number always have a JSON form
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_, _ = w.Write(body)
}

// problemType is the beginning of a problem's type; the reason follows.
const problemType = "urn:posse:problem:"

// WriteDenial answers a request with the error of Check or Admit: 401 with
// WWW-Authenticate (RFC 6750 §3), or 503 with Retry-After, and a problem document
// whose reason a client can act on.
func WriteDenial(w http.ResponseWriter, err error) {
	var denial *Denial
	if !errors.As(err, &denial) {
		denial = deny(ReasonNotReady, ErrNotReady)
	}
	title, detail := denial.Reason.words()
	if denial.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", denial.Reason.challenge(detail))
	} else {
		w.Header().Set("Retry-After", retryAfter)
	}
	Problem{Title: title, Status: denial.Status, Detail: detail, Reason: denial.Reason}.Write(w)
}

// challenge says no more than the scheme to who sent no token (RFC 6750 §3.1).
func (r Reason) challenge(detail string) string {
	if r == ReasonMissing {
		return `Bearer realm="posse"`
	}
	return `Bearer realm="posse", error="invalid_token", error_description="` + detail + `"`
}

// words returns a title and a sentence for people, without a quotation mark.
func (r Reason) words() (title, detail string) {
	switch r {
	case ReasonRevoked:
		return "Session revoked", "This session was ended. Sign in again."
	case ReasonExpired:
		return "Token expired", "The access token has expired. Refresh it, or sign in again."
	case ReasonMissing:
		return "Token missing", "The request needs an access token, and no more than one."
	case ReasonStale:
		return "Gateway is stale", "The gateway cannot tell at the moment which sessions were ended. Try again."
	case ReasonNotReady:
		return "Gateway is not ready", "The gateway is loading which sessions were ended. Try again."
	case ReasonKeys:
		return "Keys are unavailable", "The gateway cannot tell at the moment whether the access token is good. Try again."
	default:
		return "Token invalid", "The access token is not good here. Sign in again."
	}
}
