package gateway

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/posse-pos/posse/pkg/gateway"
)

// The paths of the front doors at which other proxies ask.
const (
	// PathForwardAuth is for proxies that pass the answer of a refusal on as it is:
	// Traefik, Caddy, APISIX.
	PathForwardAuth = "/authz/forward-auth"
	// PathAuthRequest is for nginx.
	PathAuthRequest = "/authz/auth-request"
	// PathExtAuthz is for Envoy's HTTP service, which appends the client's path.
	PathExtAuthz = "/authz/ext-authz"
)

// HeaderProblem carries the problem document of a refusal at PathAuthRequest, whose
// body nginx does not read.
const HeaderProblem = "X-Posse-Problem"

// maxLogged bounds what of a client's request gets into the log.
const maxLogged = 200

// Doors answers proxies that ask whether to pass a request on, at the paths of the
// front doors and whatever the method, and leaves all other paths to next.
func (s *Service) Doors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case path == PathForwardAuth:
			s.answer(w, clientOf(r, "X-Forwarded-Method", "X-Forwarded-Host", "X-Forwarded-Uri"))
		case path == PathAuthRequest:
			s.answerAuthRequest(w, clientOf(r, "X-Original-Method", "X-Original-Host", "X-Original-Uri"))
		case path == PathExtAuthz || strings.HasPrefix(path, PathExtAuthz+"/"):
			s.answer(w, withURL(r, strings.TrimPrefix(r.URL.RequestURI(), PathExtAuthz)))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// clientOf returns the client's request as the proxy that asks describes it: with
// the headers of the question, and method, host and URI from those that are named.
// A client that forges them misleads nobody but itself: it is its own token that is
// looked for there.
func clientOf(question *http.Request, method, host, uri string) *http.Request {
	client := withURL(question, question.Header.Get(uri))
	client.Method = cmp.Or(question.Header.Get(method), question.Method)
	client.Host = cmp.Or(question.Header.Get(host), question.Host)
	return client
}

// withURL returns a shallow copy of a request with another path and query. They
// are a stranger's, and taken as they are.
func withURL(r *http.Request, uri string) *http.Request {
	path, query, _ := strings.Cut(uri, "?")
	client := r.WithContext(r.Context())
	client.URL = &url.URL{Path: path, RawQuery: query}
	return client
}

// admit is the one decision behind every front door. It returns the session of a
// client's request; if there is none to admit, it answers and returns false.
func (s *Service) admit(w http.ResponseWriter, client *http.Request) (gateway.Session, bool) {
	session, err := s.gateway.AdmitRequest(client)
	s.logDecision(client.Context(), client, err)
	if err != nil {
		gateway.WriteDenial(w, err)
		return gateway.Session{}, false
	}
	return session, true
}

// answer tells a proxy whether to pass a client's request on, and with what.
func (s *Service) answer(w http.ResponseWriter, client *http.Request) {
	session, ok := s.admit(w, client)
	if !ok {
		return
	}
	setIdentity(w.Header(), session)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
}

// answerAuthRequest answers in the words that nginx's auth_request knows: 2xx, 401
// and 403. posse has no use for 403 otherwise, so that it stands for 503 here; the
// shipped configuration has nginx answer that, with what the headers say.
func (s *Service) answerAuthRequest(w http.ResponseWriter, client *http.Request) {
	a := newAnswer()
	s.answer(a, client)
	if a.status != http.StatusOK {
		a.header.Set(HeaderProblem, a.body.String())
	}
	if a.status == http.StatusServiceUnavailable {
		a.status = http.StatusForbidden
	}
	a.writeTo(w)
}

// logDecision says what was asked for. It leaves out the query, which may hold
// secrets.
func (s *Service) logDecision(ctx context.Context, client *http.Request, err error) {
	if !s.config.Logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	s.config.Logger.DebugContext(ctx, "decided",
		slog.Bool("admitted", err == nil), slog.Any("denial", err),
		slog.String("method", cut(client.Method)), slog.String("host", cut(client.Host)), slog.String("path", cut(client.URL.Path)))
}

func cut(s string) string { return s[:min(len(s), maxLogged)] }
