package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/posse-pos/posse/events"
)

// maxToken bounds what is parsed before anything is known of it.
const maxToken = 16 << 10

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
	c, err := i.verify(token)
	if err != nil {
		return RefreshClaims{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if !i.now().Before(time.Unix(c.Expires, 0)) {
		return RefreshClaims{}, ErrExpired
	}
	return RefreshClaims{
		ID: c.ID, Tenant: c.Tenant, User: c.Subject, Session: c.Session, Roles: c.Roles,
		Generation: *c.Generation, Expires: time.Unix(c.Expires, 0).UTC(),
	}, nil
}

// verify checks everything but the time. Its errors do not quote the token.
func (i *Issuer) verify(token string) (claims, error) {
	if len(token) > maxToken {
		return claims{}, fmt.Errorf("it is %d bytes long, more than %d", len(token), maxToken)
	}
	signed, err := jose.ParseSignedCompact(token, allowed)
	if err != nil || len(signed.Signatures) != 1 {
		return claims{}, errors.New("it is no JWT signed with EdDSA or ES256")
	}
	payload, err := i.verifySignature(signed)
	if err != nil {
		return claims{}, err
	}
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return claims{}, errors.New("its claims are not those of a refresh token")
	}
	return c, i.checkRefresh(c)
}

// verifySignature takes the algorithm from the key, never from the token alone.
func (i *Issuer) verifySignature(signed *jose.JSONWebSignature) ([]byte, error) {
	header := signed.Signatures[0].Header
	key := i.Keyring.verifying(header.KeyID)
	if key == nil {
		return nil, errors.New("it is signed with an unknown or retired key")
	}
	if header.Algorithm != key.jwk.Algorithm {
		return nil, fmt.Errorf("it is signed with %s by a key for %s", header.Algorithm, key.jwk.Algorithm)
	}
	payload, err := signed.Verify(key.jwk.Public())
	if err != nil {
		return nil, errors.New("its signature is wrong")
	}
	return payload, nil
}

func (i *Issuer) checkRefresh(c claims) error {
	switch {
	case c.Issuer != i.Issuer:
		return fmt.Errorf("it is from issuer %q, not %q", c.Issuer, i.Issuer)
	case c.Type != typeRefresh || c.Generation == nil:
		return fmt.Errorf("it is a token of type %q, not %q", c.Type, typeRefresh)
	case c.Expires <= 0:
		return errors.New("it has no expiry")
	}
	return events.Key{Tenant: c.Tenant, User: c.Subject, Session: c.Session}.Validate()
}
