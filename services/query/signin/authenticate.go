package signin

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/posse-pos/posse/pkg/principal"
)

var errNoCookie = errors.New("there is no cookie")

// Authenticate returns who sent a request, by its cookie. The error wraps
// principal.ErrUnauthenticated, with principal.ErrSessionRevoked or
// token.ErrExpired as the reason where it is one, or principal.ErrUnavailable
// when nobody can tell. It may be asked again, for as long as an answer takes.
func (s *SignIn) Authenticate(r *http.Request) (principal.Principal, error) {
	return byCookie(r, s.sessions)
}

// byCookie asks an authenticator about each cookie until it knows one.
func byCookie(r *http.Request, authenticator principal.Authenticator) (principal.Principal, error) {
	sent := r.CookiesNamed(CookieName)
	err := fmt.Errorf("%w: %w", principal.ErrUnauthenticated, errNoCookie)
	for _, cookie := range sent[:min(len(sent), maxCookies)] {
		var p principal.Principal
		if p, err = authenticator.Authenticate(r.Context(), cookie.Value); err == nil || errors.Is(err, principal.ErrUnavailable) {
			return p, err
		}
	}
	return principal.Principal{}, err
}

// verifyActive reads a cookie and asks whether its session has ended.
func (s *SignIn) verifyActive(ctx context.Context, cookie string) (principal.SessionClaims, error) {
	claims, err := s.verify(ctx, cookie)
	if err != nil {
		return principal.SessionClaims{}, err
	}
	ended, err := s.config.Ended(ctx, claims.Tenant, claims.Session)
	switch {
	case err != nil:
		return principal.SessionClaims{}, fmt.Errorf("%w: %w", principal.ErrUnavailable, err)
	case ended:
		return principal.SessionClaims{}, principal.ErrSessionRevoked
	}
	return claims, nil
}

// verify reads a cookie.
func (s *SignIn) verify(_ context.Context, cookie string) (principal.SessionClaims, error) {
	screen, err := s.config.Tokens.OpenScreen(cookie)
	if err != nil {
		return principal.SessionClaims{}, err
	}
	return principal.SessionClaims{
		Tenant: screen.Tenant, User: screen.User, Session: screen.Session, Roles: screen.Roles, Expires: screen.Expires,
	}, nil
}
