package token

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/posse-pos/posse/events"
)

// claims are the claims of all kinds of tokens. A kind leaves out what it has no
// use for.
type claims struct {
	Issuer     string   `json:"iss"`
	Subject    string   `json:"sub,omitempty"`
	Tenant     string   `json:"tenant,omitempty"`
	Session    string   `json:"sid,omitempty"`
	Roles      []string `json:"roles,omitempty"`
	Type       string   `json:"type"`
	Generation *uint64  `json:"gen,omitempty"`
	IssuedAt   int64    `json:"iat"`
	Expires    int64    `json:"exp"`
	ID         string   `json:"jti"`

	// Of sign-in links (OpenID Connect Core §5.1).
	Username    string `json:"preferred_username,omitempty"`
	DisplayName string `json:"name,omitempty"`

	// Of authorization requests.
	State    string `json:"state,omitempty"`
	Nonce    string `json:"nonce,omitempty"`
	Verifier string `json:"code_verifier,omitempty"`
	Next     string `json:"next,omitempty"`
}

// key is the session that the claims name.
func (c claims) key() events.Key {
	return events.Key{Tenant: c.Tenant, User: c.Subject, Session: c.Session}
}

func (c claims) expires() time.Time { return time.Unix(c.Expires, 0).UTC() }

// seal signs the claims as a token of a kind. It gives them an id of their own.
func (k *signingKey) seal(is kind, c claims) (string, error) {
	c.Type, c.ID = is.claim, rand.Text()
	payload, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("token: encode claims: %w", err)
	}
	signed, err := k.signers[is].Sign(payload)
	if err != nil {
		return "", fmt.Errorf("token: sign: %w", err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("token: sign: %w", err)
	}
	return compact, nil
}
