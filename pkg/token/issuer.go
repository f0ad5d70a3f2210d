package token

import (
	"errors"
	"fmt"
	"time"
)

// DefaultAccessLifetime is how long an access token is good unless configured.
const DefaultAccessLifetime = 5 * time.Minute

// Issuer mints the tokens of sessions, and of signing in to the screen, and reads
// those back that come back to it. It holds no state but the keyring's; that a
// refresh token or a link was used before is for its caller to know, by the
// generation or the id.
type Issuer struct {
	// Keyring signs. Required.
	Keyring *Keyring
	// Issuer is the claim "iss", usually the URL of the recorder. Required.
	Issuer string
	// AccessLifetime is how long an access token is good, at most. 0 means
	// DefaultAccessLifetime.
	AccessLifetime time.Duration
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
}

// Grant is what a pair of tokens is minted for.
type Grant struct {
	Tenant, User, Session string
	Roles                 []string
	// Generation counts the session's refreshes; a refresh token is good for the
	// generation it names.
	Generation uint64
	// Expires is the end of the session. No token outlives it.
	Expires time.Time
}

// Pair is an access and a refresh token. The times are those in the tokens, in
// whole seconds, UTC.
type Pair struct {
	Access, Refresh               string
	AccessExpires, RefreshExpires time.Time
}

// Mint returns a new pair of tokens for g. The error is ErrInvalidGrant when g
// names nobody, or a session that has ended.
func (i *Issuer) Mint(g Grant) (Pair, error) {
	now := i.now()
	common := claims{Subject: g.User, Tenant: g.Tenant, Session: g.Session, Roles: g.Roles}
	if err := common.key().Validate(); err != nil {
		return Pair{}, fmt.Errorf("%w: %w", ErrInvalidGrant, err)
	}
	access, refresh := common, common
	refresh.Expires, refresh.Generation = g.Expires.Unix(), &g.Generation
	access.Expires = min(now.Add(i.accessLifetime()).Unix(), refresh.Expires)
	pair := Pair{AccessExpires: access.expires(), RefreshExpires: refresh.expires()}
	var err error
	if pair.Access, err = i.sealUntil(accessKind, access); err != nil {
		return Pair{}, err
	}
	if pair.Refresh, err = i.sealUntil(refreshKind, refresh); err != nil {
		return Pair{}, err
	}
	return pair, nil
}

// sealUntil signs claims that are good from now until they expire. It refuses
// those that already have: nobody could use them.
func (i *Issuer) sealUntil(is kind, c claims) (string, error) {
	if i.Keyring == nil || i.Issuer == "" {
		return "", errors.New("token: an Issuer needs a Keyring and an Issuer")
	}
	c.Issuer, c.IssuedAt = i.Issuer, i.now().Unix()
	if c.Expires <= c.IssuedAt {
		return "", fmt.Errorf("%w: it ended at %s", ErrInvalidGrant, c.expires().Format(time.RFC3339))
	}
	return i.Keyring.signing().seal(is, c)
}

func (i *Issuer) now() time.Time {
	if i.Now == nil {
		return time.Now()
	}
	return i.Now()
}

func (i *Issuer) accessLifetime() time.Duration {
	if i.AccessLifetime <= 0 {
		return DefaultAccessLifetime
	}
	return i.AccessLifetime
}
