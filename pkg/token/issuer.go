package token

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/posse-pos/posse/events"
)

// DefaultAccessLifetime is how long an access token is good unless configured.
const DefaultAccessLifetime = 5 * time.Minute

// The values of the claim "type".
const (
	typeAccess  = "access"
	typeRefresh = "refresh"
)

// Issuer mints the tokens of sessions and reads its refresh tokens back. It
// holds no state but the keyring's; that a refresh token was used before is for
// its caller to know, by the generation.
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

// claims are the claims of both tokens.
type claims struct {
	Issuer     string   `json:"iss"`
	Subject    string   `json:"sub"`
	Tenant     string   `json:"tenant"`
	Session    string   `json:"sid"`
	Roles      []string `json:"roles,omitempty"`
	Type       string   `json:"type"`
	Generation *uint64  `json:"gen,omitempty"`
	IssuedAt   int64    `json:"iat"`
	Expires    int64    `json:"exp"`
	ID         string   `json:"jti"`
}

// Mint returns a new pair of tokens for g. The error is ErrInvalidGrant when g
// names nobody, or a session that has ended.
func (i *Issuer) Mint(g Grant) (Pair, error) {
	now := i.now()
	if err := i.check(g, now); err != nil {
		return Pair{}, err
	}
	common := claims{
		Issuer: i.Issuer, Subject: g.User, Tenant: g.Tenant, Session: g.Session,
		Roles: g.Roles, IssuedAt: now.Unix(),
	}
	key := i.Keyring.signing()
	end := g.Expires.Unix()
	access, refresh := common, common
	access.Type, access.Expires = typeAccess, min(now.Add(i.accessLifetime()).Unix(), end)
	refresh.Type, refresh.Expires, refresh.Generation = typeRefresh, end, &g.Generation
	return signPair(key, access, refresh)
}

func signPair(key *signingKey, access, refresh claims) (pair Pair, err error) {
	if pair.Access, err = sign(key.access, access); err != nil {
		return Pair{}, err
	}
	if pair.Refresh, err = sign(key.refresh, refresh); err != nil {
		return Pair{}, err
	}
	pair.AccessExpires = time.Unix(access.Expires, 0).UTC()
	pair.RefreshExpires = time.Unix(refresh.Expires, 0).UTC()
	return pair, nil
}

// sign gives the claims an id of their own and signs them.
func sign(signer jose.Signer, c claims) (string, error) {
	c.ID = rand.Text()
	payload, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("token: encode claims: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("token: sign: %w", err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("token: sign: %w", err)
	}
	return compact, nil
}

// check refuses what would become a token that nobody can use, or that JSON
// would write differently from what the caller meant.
func (i *Issuer) check(g Grant, now time.Time) error {
	if i.Keyring == nil || i.Issuer == "" {
		return errors.New("token: an Issuer needs a Keyring and an Issuer")
	}
	if err := (events.Key{Tenant: g.Tenant, User: g.User, Session: g.Session}).Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalidGrant, err)
	}
	if g.Expires.Unix() <= now.Unix() {
		return fmt.Errorf("%w: the session ended at %s", ErrInvalidGrant, g.Expires.UTC().Format(time.RFC3339))
	}
	return nil
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
