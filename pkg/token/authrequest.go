package token

import (
	"fmt"
	"time"
)

// AuthRequestLifetime is how long somebody may take to sign in at a provider.
const AuthRequestLifetime = 10 * time.Minute

// AuthRequest is what a browser keeps between leaving for an OpenID provider and
// coming back: what the answer has to match, and where to go on to.
type AuthRequest struct {
	// State and Nonce tie the provider's answer to this browser (OpenID Connect
	// Core §3.1.2.1), Verifier is the secret of PKCE (RFC 7636 §4.1).
	State, Nonce, Verifier string
	// Next is a local path.
	Next string
}

// SealAuthRequest returns the value of a cookie that is good for
// AuthRequestLifetime. It is signed, and not encrypted: what it holds is a secret
// from everybody but the browser that it is made for.
func (i *Issuer) SealAuthRequest(r AuthRequest) (string, error) {
	return i.sealUntil(requestKind, claims{
		State: r.State, Nonce: r.Nonce, Verifier: r.Verifier, Next: r.Next,
		Expires: i.now().Add(AuthRequestLifetime).Unix(),
	})
}

// OpenAuthRequest returns what SealAuthRequest was given. The error is ErrExpired
// when its time is over, and ErrInvalid for everything else that is not good.
func (i *Issuer) OpenAuthRequest(cookie string) (AuthRequest, error) {
	c, err := i.open(cookie, requestKind)
	if err != nil {
		return AuthRequest{}, err
	}
	if c.State == "" || c.Nonce == "" || c.Verifier == "" {
		return AuthRequest{}, fmt.Errorf("%w: it lacks a state, a nonce or a verifier", ErrInvalid)
	}
	return AuthRequest{State: c.State, Nonce: c.Nonce, Verifier: c.Verifier, Next: c.Next}, nil
}
