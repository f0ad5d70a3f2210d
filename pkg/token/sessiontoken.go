package token

import (
	"errors"
	"fmt"
	"time"
)

// SessionClaims is what a good token of a session says.
type SessionClaims struct {
	ID string
	// Refresh says that it is a refresh token. Otherwise it is an access token.
	Refresh               bool
	Tenant, User, Session string
	Roles                 []string
	// Issued and Expires are in UTC, in whole seconds.
	Issued, Expires time.Time
}

// ParseSession returns what a token of this issuer says, be it an access token or
// a refresh token. Whether a refresh token was redeemed before it does not know.
// The error is ErrExpired for a token whose time is over, and ErrInvalid for
// everything else that is not good.
func (i *Issuer) ParseSession(token string) (SessionClaims, error) {
	is := accessKind
	c, err := i.open(token, is)
	if errors.Is(err, ErrInvalid) {
		is = refreshKind
		c, err = i.open(token, is)
	}
	if err != nil {
		return SessionClaims{}, err
	}
	if err := c.key().Validate(); err != nil {
		return SessionClaims{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return SessionClaims{
		ID: c.ID, Refresh: is == refreshKind, Tenant: c.Tenant, User: c.Subject, Session: c.Session, Roles: c.Roles,
		Issued: time.Unix(c.IssuedAt, 0).UTC(), Expires: c.expires(),
	}, nil
}
