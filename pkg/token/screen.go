package token

import (
	"fmt"
	"time"
)

// Screen is a session of somebody who looks at the screen in a browser.
type Screen struct {
	Tenant, User, Session string
	Roles                 []string
	// Expires is the end of the session, in whole seconds.
	Expires time.Time
}

// SealScreen returns the value of the cookie that says who looks at the screen.
// It is good until the end of the session, and its holder is who it names: that
// the session has not ended earlier is for its reader to find out. The error is
// ErrInvalidGrant when s names nobody, or a session that has ended.
func (i *Issuer) SealScreen(s Screen) (string, error) {
	c := claims{Subject: s.User, Tenant: s.Tenant, Session: s.Session, Roles: s.Roles, Expires: s.Expires.Unix()}
	if err := c.key().Validate(); err != nil {
		return "", fmt.Errorf("%w: %w", ErrInvalidGrant, err)
	}
	return i.sealUntil(screenKind, c)
}

// OpenScreen returns what SealScreen was given. The error is ErrExpired when the
// session has run out, and ErrInvalid for everything else that is not good.
func (i *Issuer) OpenScreen(cookie string) (Screen, error) {
	c, err := i.open(cookie, screenKind)
	if err != nil {
		return Screen{}, err
	}
	if err := c.key().Validate(); err != nil {
		return Screen{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return Screen{Tenant: c.Tenant, User: c.Subject, Session: c.Session, Roles: c.Roles, Expires: c.expires()}, nil
}
