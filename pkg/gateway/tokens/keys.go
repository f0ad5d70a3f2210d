package tokens

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// algorithms are those that can be allowed, and whether they are symmetric.
var algorithms = map[string]bool{
	"EdDSA": false,
	"ES256": false, "ES384": false, "ES512": false,
	"RS256": false, "RS384": false, "RS512": false,
	"PS256": false, "PS384": false, "PS512": false,
	"HS256": true, "HS384": true, "HS512": true,
}

// key is one that verifies. Its material decides which algorithms it goes with,
// so that a token cannot have a public key used as an HMAC secret (RFC 8725 §2.1).
type key struct {
	id        string
	algorithm string // the only one it is for; empty if it does not say
	material  any
}

func (k key) suits(algorithm string) bool {
	if k.algorithm != "" && k.algorithm != algorithm {
		return false
	}
	switch material := k.material.(type) {
	case ed25519.PublicKey:
		return algorithm == "EdDSA"
	case *ecdsa.PublicKey:
		return algorithm == curveAlgorithm(material.Curve)
	case *rsa.PublicKey:
		return strings.HasPrefix(algorithm, "RS") || strings.HasPrefix(algorithm, "PS")
	case []byte:
		return strings.HasPrefix(algorithm, "HS")
	default:
		return false
	}
}

func curveAlgorithm(curve elliptic.Curve) string {
	switch curve {
	case elliptic.P256():
		return "ES256"
	case elliptic.P384():
		return "ES384"
	case elliptic.P521():
		return "ES512"
	default:
		return ""
	}
}

// keySet is an issuer's keys at one moment. It does not change.
type keySet struct {
	keys []key
}

// find returns the key that a token names, or the only one that could have
// signed a token that names none.
func (s keySet) find(id, algorithm string) (key, error) {
	var found key
	matches := 0
	for _, k := range s.keys {
		if id != "" && k.id == id && !k.suits(algorithm) {
			return key{}, fmt.Errorf("%w: the key is not for it", ErrAlgorithm)
		}
		if (id == "" || k.id == id) && k.suits(algorithm) {
			found = k
			matches++
		}
	}
	if matches != 1 {
		return key{}, fmt.Errorf("%w: %d of %d keys match", ErrUnknownKey, matches, len(s.keys))
	}
	return found, nil
}

// parseKeySet takes from a JWKS the public keys that are for signatures, and
// passes over what it does not know (RFC 7517 §5). A symmetric key in a set is
// not taken: whoever could read the set could sign.
func parseKeySet(data []byte) (keySet, error) {
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &document); err != nil {
		return keySet{}, fmt.Errorf("tokens: read key set: %w", err)
	}
	var set keySet
	for _, raw := range document.Keys {
		var jwk jose.JSONWebKey
		if jwk.UnmarshalJSON(raw) != nil || jwk.Use == "enc" || !jwk.Valid() {
			continue
		}
		public := jwk.Public()
		if public.Key == nil {
			continue
		}
		set.keys = append(set.keys, key{id: jwk.KeyID, algorithm: jwk.Algorithm, material: public.Key})
	}
	if len(set.keys) == 0 {
		return keySet{}, fmt.Errorf("tokens: the key set has no public key for signatures among its %d", len(document.Keys))
	}
	return set, nil
}
