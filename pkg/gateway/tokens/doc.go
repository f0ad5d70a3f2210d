// Package tokens verifies the access tokens that a POS presents: signature,
// issuer, audience, times and type, and where in the claims the session is.
//
// A [Verifier] is made once from a [Config]. Nothing is trusted by default: the
// issuer, the keys and, for anything but EdDSA and ES256, the algorithms are
// named by the configuration. The usual tokens have a [Preset]:
//
//	verifier, err := tokens.NewVerifier(tokens.Config{
//		Preset:  tokens.Posse,
//		Issuer:  "https://pos.example",
//		JWKSURL: "https://pos.example/.well-known/jwks.json",
//	})
//
// Verify does no I/O: keys are fetched in the background. A key set that cannot
// be fetched goes on serving as it was last seen. While it cannot be known
// whether a token's key exists, the error is [ErrKeysUnavailable], which says
// nothing against the token.
//
// No error of this package contains a token, a signature or a secret.
package tokens
