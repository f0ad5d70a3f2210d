package token

import (
	"fmt"
	"time"
)

// RefreshClaims is what a good refresh token says.
type RefreshClaims struct {
	ID                    string
	Tenant, User, Session string
	Roles                 []string
	Generation            uint64
	Expires               time.Time
}

// ParseRefresh returns what a refresh token of this issuer says. The error is
// ErrExpired for one whose session has run out, and ErrInvalid for everything
// else that is not good.
func (i *Issuer) ParseRefresh(token string) (RefreshClaims, error) {
	c, err := i.open(token, refreshKind)
	if err != nil {
		return RefreshClaims{}, err
	}
	if c.Generation == nil {
		return RefreshClaims{}, fmt.Errorf("%w: it names no generation", ErrInvalid)
	}
	if err := c.key().Validate(); err != nil {
		return RefreshClaims{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return RefreshClaims{
		ID: c.ID, Tenant: c.Tenant, User: c.Subject, Session: c.Session, Roles: c.Roles,
		Generation: *c.Generation, Expires: c.expires(),
	}, nil
}
