package tokens

import "errors"

// Why a token was not accepted. Verify wraps exactly one of these.
var (
	// ErrMalformed says that the token is no signed JWT, or longer than MaxToken.
	ErrMalformed = errors.New("tokens: malformed token")
	// ErrAlgorithm says that the token is signed with an algorithm that is not on
	// the list, or not the one its key is for.
	ErrAlgorithm = errors.New("tokens: algorithm is not allowed")
	// ErrUnknownKey says that no key of the issuer could have signed the token.
	ErrUnknownKey = errors.New("tokens: unknown signing key")
	// ErrKeysUnavailable says that the issuer's keys are not at hand, or older than
	// the token claims to be: it is not known whether the token is good. It is a
	// reason to ask again, not to sign anybody out.
	ErrKeysUnavailable = errors.New("tokens: verification keys are not at hand")
	// ErrSignature says that the signature is not the key's.
	ErrSignature = errors.New("tokens: wrong signature")
	// ErrIssuer says that the token is from another issuer or for another audience.
	ErrIssuer = errors.New("tokens: wrong issuer or audience")
	// ErrExpired says that the token was good once.
	ErrExpired = errors.New("tokens: token has expired")
	// ErrNotYetValid says that the token is for later.
	ErrNotYetValid = errors.New("tokens: token is not valid yet")
	// ErrType says that the token is for something else, such as a refresh token
	// that was presented for access.
	ErrType = errors.New("tokens: wrong type of token")
	// ErrClaims says that a claim is missing or not of its form.
	ErrClaims = errors.New("tokens: claim is missing or unusable")
)

// ErrConfig says that a Verifier cannot be made as configured.
var ErrConfig = errors.New("tokens: invalid configuration")
