package gatewaytest

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/posse-pos/posse/pkg/gateway/tokens"
)

// Name is the claim "iss" of an Issuer's tokens.
const Name = "https://gatewaytest.invalid"

// Issuer signs tokens like those that posse mints, with a key of its own.
type Issuer struct {
	// Now is the clock of its verifiers and tokens. Nil means time.Now.
	Now func() time.Time

	signer jose.Signer
	jwks   []byte
}

// NewIssuer returns an issuer with a new key.
func NewIssuer() *Issuer {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(err)
	key := jose.JSONWebKey{Key: private, KeyID: rand.Text(), Algorithm: "EdDSA", Use: "sig"}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: key}, nil)
	must(err)
	jwks, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: public, KeyID: key.KeyID, Algorithm: key.Algorithm, Use: key.Use},
	}})
	must(err)
	return &Issuer{signer: signer, jwks: jwks}
}

// JWKS returns the issuer's public key as a JSON Web Key Set.
func (i *Issuer) JWKS() []byte { return append([]byte(nil), i.jwks...) }

// Verifier returns a verifier of the issuer's tokens. It needs no Close.
func (i *Issuer) Verifier() *tokens.Verifier {
	v, err := tokens.NewVerifier(tokens.Config{Preset: tokens.Posse, Issuer: Name, JWKS: i.jwks, Now: i.Now})
	must(err)
	return v
}

// Token returns an access token that is good for five minutes.
func (i *Issuer) Token(tenant, user, session string, roles ...string) string {
	now := time.Now()
	if i.Now != nil {
		now = i.Now()
	}
	return i.Sign(map[string]any{
		"iss": Name, "sub": user, "tenant": tenant, "sid": session, "type": tokens.TypeAccess, "roles": roles,
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "jti": rand.Text(),
	})
}

// Sign returns a token with any claims.
func (i *Issuer) Sign(claims map[string]any) string {
	payload, err := json.Marshal(claims)
	must(err)
	signed, err := i.signer.Sign(payload)
	must(err)
	token, err := signed.CompactSerialize()
	must(err)
	return token
}

// must ends a test that asks for what cannot be.
func must(err error) {
	if err != nil {
		panic("gatewaytest: " + err.Error())
	}
}
