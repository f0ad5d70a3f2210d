package token

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/posse-pos/posse/events"
)

// LinkLifetime is how long a sign-in link is good.
const LinkLifetime = 10 * time.Minute

// Link is what a link says that signs somebody in to the screen, once.
type Link struct {
	// ID is the link's own. Whoever redeems a link sees to it that no other
	// session begins with the same. MintLink makes it.
	ID           string
	Tenant, User string
	Roles        []string
	// Username and DisplayName are for people; "" for none.
	Username, DisplayName string
	// Expires is the link's end, in whole seconds; MintLink makes it.
	Expires time.Time
}

// MintLink returns the token of a new link, good for LinkLifetime. The error is
// ErrInvalidGrant when l names nobody, or has a name that no login may have.
func (i *Issuer) MintLink(l Link) (string, error) {
	if err := l.check(); err != nil {
		return "", fmt.Errorf("%w: %w", ErrInvalidGrant, err)
	}
	return i.sealUntil(linkKind, claims{
		Subject: l.User, Tenant: l.Tenant, Roles: l.Roles, Username: l.Username, DisplayName: l.DisplayName,
		Expires: i.now().Add(LinkLifetime).Unix(),
	})
}

// OpenLink returns what the token of a link says. The error is ErrExpired when
// its time is over, and ErrInvalid for everything else that is not good. That it
// was redeemed before is for the caller to find out, by its ID.
func (i *Issuer) OpenLink(token string) (Link, error) {
	c, err := i.open(token, linkKind)
	if err != nil {
		return Link{}, err
	}
	l := Link{
		ID: c.ID, Tenant: c.Tenant, User: c.Subject, Roles: c.Roles,
		Username: c.Username, DisplayName: c.DisplayName, Expires: c.expires(),
	}
	if err := l.check(); err != nil || l.ID == "" {
		return Link{}, fmt.Errorf("%w: it names nobody", ErrInvalid)
	}
	return l, nil
}

func (l Link) check() error {
	if err := errors.Join(events.ValidateID("tenant", l.Tenant), events.ValidateID("user", l.User)); err != nil {
		return err
	}
	if len(l.Username) > events.MaxUsername || !utf8.ValidString(l.Username) {
		return fmt.Errorf("the username is not UTF-8 of at most %d bytes", events.MaxUsername)
	}
	if len(l.DisplayName) > events.MaxDisplayName || !utf8.ValidString(l.DisplayName) {
		return fmt.Errorf("the display name is not UTF-8 of at most %d bytes", events.MaxDisplayName)
	}
	return nil
}
