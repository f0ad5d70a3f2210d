package token

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Algorithm is a way of signing, by its JOSE name.
type Algorithm string

// The algorithms that posse signs with. EdDSA is the faster and smaller one;
// ES256 is for verifiers that know nothing else.
const (
	EdDSA Algorithm = "EdDSA"
	ES256 Algorithm = "ES256"
)

// allowed are the only algorithms that a token of ours may name.
var allowed = []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256}

// signingKey is a key of the keyring. Its states:
//
//	          Rotate               retire passed
//	signing ─────────▶ verifying ───────────────▶ gone
type signingKey struct {
	jwk     jose.JSONWebKey
	created time.Time
	retire  time.Time // zero while the key signs
	signers map[kind]jose.Signer
}

// keyTimes are the members that signing.json adds to a JWK. RFC 7517 §4 has
// readers ignore members they do not know, so the file stays a JWK set.
type keyTimes struct {
	Created time.Time `json:"created"`
	Retire  time.Time `json:"retire,omitzero"`
}

// newSigningKey generates a key, whose id is its RFC 7638 thumbprint.
func newSigningKey(alg Algorithm, now time.Time) (*signingKey, error) {
	private, err := generate(alg)
	if err != nil {
		return nil, err
	}
	jwk := jose.JSONWebKey{Key: private, Algorithm: string(alg), Use: "sig"}
	thumbprint, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("token: name new signing key: %w", err)
	}
	jwk.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
	return (&signingKey{jwk: jwk, created: now.UTC().Truncate(time.Millisecond)}).withSigners()
}

func generate(alg Algorithm) (private any, err error) {
	switch alg {
	case EdDSA:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	case ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		return nil, fmt.Errorf("token: no signing algorithm %q: use %s or %s", alg, EdDSA, ES256)
	}
	if err != nil {
		return nil, fmt.Errorf("token: generate signing key: %w", err)
	}
	return private, nil
}

// withSigners prepares what every token needs.
func (k *signingKey) withSigners() (*signingKey, error) {
	key := jose.SigningKey{Algorithm: jose.SignatureAlgorithm(k.jwk.Algorithm), Key: k.jwk}
	k.signers = make(map[kind]jose.Signer, len(kinds))
	for _, is := range kinds {
		signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType(jose.ContentType(is.header)))
		if err != nil {
			return nil, fmt.Errorf("token: use signing key %s: %w", k.jwk.KeyID, err)
		}
		k.signers[is] = signer
	}
	return k, nil
}

// verifiesAt reports whether tokens of this key are still good.
func (k *signingKey) verifiesAt(now time.Time) bool {
	return k.retire.IsZero() || now.Before(k.retire)
}

// MarshalJSON writes the private JWK with its times.
func (k *signingKey) MarshalJSON() ([]byte, error) {
	jwk, err := k.jwk.MarshalJSON()
	if err != nil {
		return nil, err
	}
	times, err := json.Marshal(keyTimes{Created: k.created, Retire: k.retire})
	if err != nil {
		return nil, err
	}
	return bytes.Join([][]byte{bytes.TrimSuffix(jwk, []byte("}")), times[1:]}, []byte(",")), nil
}

// UnmarshalJSON reads what MarshalJSON wrote, and refuses keys that could not
// have been written by it.
func (k *signingKey) UnmarshalJSON(data []byte) error {
	var times keyTimes
	if err := json.Unmarshal(data, &times); err != nil {
		return err
	}
	if err := k.jwk.UnmarshalJSON(data); err != nil {
		return err
	}
	if err := checkPrivate(k.jwk); err != nil {
		return err
	}
	k.created, k.retire = times.Created, times.Retire
	_, err := k.withSigners()
	return err
}

func checkPrivate(jwk jose.JSONWebKey) error {
	var matches bool
	switch key := jwk.Key.(type) {
	case ed25519.PrivateKey:
		matches = jwk.Algorithm == string(EdDSA)
	case *ecdsa.PrivateKey:
		matches = jwk.Algorithm == string(ES256) && key.Curve == elliptic.P256()
	}
	if !matches || jwk.KeyID == "" {
		return fmt.Errorf("key %q is no private key for %q with an id", jwk.KeyID, jwk.Algorithm)
	}
	return nil
}
