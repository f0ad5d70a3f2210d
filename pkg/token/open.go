package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// maxToken bounds what is parsed before anything is known of it.
const maxToken = 16 << 10

// open returns what a good token of a kind says. The error is ErrExpired for one
// whose time is over, and ErrInvalid for everything else that is not good. It
// does not quote the token.
func (i *Issuer) open(token string, want kind) (claims, error) {
	c, err := i.verify(token, want)
	if err != nil {
		return claims{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if !i.now().Before(time.Unix(c.Expires, 0)) {
		return claims{}, ErrExpired
	}
	return c, nil
}

// verify checks everything that all kinds have in common, but the time.
func (i *Issuer) verify(token string, want kind) (claims, error) {
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
	if typ := signed.Signatures[0].Header.ExtraHeaders[jose.HeaderType]; typ != want.header {
		return claims{}, fmt.Errorf("its header says that it is a %q, not a %q", typ, want.header)
	}
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return claims{}, errors.New("its claims are not those of a token of posse's")
	}
	return c, i.check(c, want)
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

func (i *Issuer) check(c claims, want kind) error {
	switch {
	case c.Issuer != i.Issuer:
		return fmt.Errorf("it is from issuer %q, not %q", c.Issuer, i.Issuer)
	case c.Type != want.claim:
		return fmt.Errorf("it is a token of type %q, not %q", c.Type, want.claim)
	case c.Expires <= 0:
		return errors.New("it has no expiry")
	}
	return nil
}
