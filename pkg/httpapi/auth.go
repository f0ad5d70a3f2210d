package httpapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/gateway/tokens"
	"github.com/posse-pos/posse/pkg/principal"
)

// maxBearer is the longest credential that anybody looks at, in bytes.
const maxBearer = 16 << 10

var errNoBearer = errors.New("httpapi: no bearer token was sent")

// authenticate answers operations with security only for known callers.
func authenticate(api huma.API, authenticator principal.Authenticator) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		header := ctx.Header("Authorization")
		if len(ctx.Operation().Security) == 0 || header == "" && mayBeNobody(ctx.Operation()) {
			next(ctx)
			return
		}
		caller, err := identify(ctx.Context(), authenticator, header)
		if err != nil {
			_ = huma.WriteErr(api, ctx, http.StatusInternalServerError, "", err)
			return
		}
		next(huma.WithContext(ctx, principal.With(ctx.Context(), caller)))
	}
}

// mayBeNobody reports whether an operation has callers that show nothing, which
// OpenAPI says by an alternative without a scheme.
func mayBeNobody(op *huma.Operation) bool {
	return slices.ContainsFunc(op.Security, func(alternative map[string][]string) bool { return len(alternative) == 0 })
}

// Authenticate is the same for handlers that are no operations.
func Authenticate(authenticator principal.Authenticator) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			caller, err := identify(r.Context(), authenticator, r.Header.Get("Authorization"))
			if err != nil {
				ProblemOf(err).Write(w, r)
				return
			}
			next.ServeHTTP(w, r.WithContext(principal.With(r.Context(), caller)))
		})
	}
}

func identify(ctx context.Context, authenticator principal.Authenticator, header string) (principal.Principal, error) {
	scheme, bearer, _ := strings.Cut(header, " ")
	bearer = strings.TrimSpace(bearer)
	switch {
	case !strings.EqualFold(scheme, "Bearer") || bearer == "":
		return principal.Principal{}, errNoBearer
	case authenticator == nil || len(bearer) > maxBearer:
		return principal.Principal{}, principal.ErrUnauthenticated
	}
	return authenticator.Authenticate(ctx, bearer)
}

// authProblem says why a caller is not known, nil for errors about other things.
// It never says which check a bad token failed beyond what its holder can use.
func authProblem(err error) *Problem {
	reason, detail := string(commands.ReasonUnauthenticated), "the bearer token is not valid here"
	switch {
	case errors.Is(err, principal.ErrUnavailable):
		p := NewProblem(http.StatusServiceUnavailable, string(commands.ReasonUnavailable), "callers cannot be authenticated at the moment")
		p.err, p.retryAfter = err, 1
		return p
	case errors.Is(err, errNoBearer):
		detail = "send a bearer token in the Authorization header"
	case errors.Is(err, principal.ErrSessionRevoked):
		reason, detail = string(commands.ReasonSessionRevoked), "the session of this token has ended"
	case errors.Is(err, tokens.ErrExpired):
		reason, detail = "token_expired", "the token has expired: refresh it"
	case !errors.Is(err, principal.ErrUnauthenticated):
		return nil
	}
	p := NewProblem(http.StatusUnauthorized, reason, detail)
	p.err = err
	return p
}

// challenge sets WWW-Authenticate as RFC 6750 §3 wants it: without an error
// code when no token was sent.
func (p *Problem) challenge(set func(name, value string)) {
	if p.Status != http.StatusUnauthorized {
		return
	}
	challenge := `Bearer realm="posse"`
	if !errors.Is(p.err, errNoBearer) {
		challenge += `, error="invalid_token", error_description="` + quotable(p.Detail) + `"`
	}
	set("WWW-Authenticate", challenge)
}

// quotable keeps to the characters that RFC 6750 §3 allows in a description.
func quotable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, s)
}

// Caller is who gives a command: the principal in the context, from where it
// came, and the idempotency key that it sent.
func Caller(ctx context.Context, idempotencyKey string) (commands.Caller, error) {
	p, ok := principal.From(ctx)
	if !ok {
		return commands.Caller{}, errNoBearer
	}
	return commands.Caller{Principal: p, IP: ClientIP(ctx), IdempotencyKey: idempotencyKey}, nil
}
