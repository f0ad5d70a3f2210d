package introspection

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/gateway/tokens"
	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/pkg/token"
)

// The uses of a token.
const (
	useAccess  = "access"
	useRefresh = "refresh"
)

// keysWait is how long a request waits for keys that may verify its token.
const keysWait = 2 * time.Second

// Token is what a good token says.
type Token struct {
	Tenant, User, Session string
	Roles                 []string
	// Issuer and ID are the claims "iss" and "jti"; ID may be empty.
	Issuer, ID string
	// Refresh says that it is a refresh token. Otherwise it is an access token.
	Refresh bool
	// Issued may be the zero time, Expires may not.
	Issued, Expires time.Time
}

// ErrUnavailable says that nobody can tell at the moment whether a token is good,
// because the issuer's keys are not at hand.
var ErrUnavailable = errors.New("introspection: cannot judge the token now")

// ReadFunc reads the tokens of one issuer. An error that does not wrap
// ErrUnavailable means that the token is not good.
type ReadFunc func(ctx context.Context, token string) (Token, error)

// Own reads the access and refresh tokens that posse minted.
func Own(issuer *token.Issuer) ReadFunc {
	return func(_ context.Context, compact string) (Token, error) {
		c, err := issuer.ParseSession(compact)
		if err != nil {
			return Token{}, err
		}
		return Token{
			Tenant: c.Tenant, User: c.User, Session: c.Session, Roles: c.Roles, Issuer: issuer.Issuer, ID: c.ID,
			Refresh: c.Refresh, Issued: c.Issued, Expires: c.Expires,
		}, nil
	}
}

// Foreign reads the access tokens of another issuer, for whose keys it waits two
// seconds at most.
func Foreign(issuer string, verifier *tokens.Verifier) ReadFunc {
	return func(ctx context.Context, compact string) (Token, error) {
		c, err := verifier.Verify(compact)
		if errors.Is(err, tokens.ErrKeysUnavailable) {
			ctx, cancel := context.WithTimeout(ctx, keysWait)
			defer cancel()
			if verifier.Refresh(ctx) == nil {
				c, err = verifier.Verify(compact)
			}
		}
		switch {
		case errors.Is(err, tokens.ErrKeysUnavailable):
			return Token{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
		case err != nil:
			return Token{}, err
		}
		return Token{
			Tenant: c.Tenant, User: c.User, Session: c.Session, Roles: c.Roles, Issuer: issuer,
			Issued: c.IssuedAt, Expires: c.Expires,
		}, nil
	}
}

func (t Token) answer() answer {
	a := answer{
		Active: true, TokenUse: useRefresh, Subject: t.User, Session: t.Session, Tenant: t.Tenant, Roles: t.Roles,
		Issuer: t.Issuer, ID: t.ID, Expires: t.Expires.Unix(),
	}
	if !t.Refresh {
		a.TokenType, a.TokenUse = "Bearer", useAccess
	}
	if !t.Issued.IsZero() {
		a.IssuedAt = t.Issued.Unix()
	}
	return a
}

// bearer is whoever holds the token, as the caller who ends its session: this is
// what makes it a logout. The address is that of a device, not of a backend.
func (t Token) bearer(ctx context.Context, sender principal.Principal) commands.Caller {
	caller := commands.Caller{Principal: principal.Principal{
		Kind: principal.User, Tenant: t.Tenant, User: t.User, Session: t.Session, Roles: t.Roles,
	}}
	if sender.Kind != principal.Backend {
		caller.IP = httpapi.ClientIP(ctx)
	}
	return caller
}
