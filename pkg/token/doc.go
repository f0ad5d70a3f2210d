// Package token mints the tokens of posse's own sessions and of signing in to its
// screen, and keeps the keys behind them: a keyring that signs, and the backend
// keys with which a POS backend records.
//
// Each token is of one kind: an access or refresh token, the cookie of the
// screen, a sign-in link, or the cookie of an authorization request. None passes
// for one of another kind.
//
// Both live as files in one directory, each readable by its owner alone, each
// replaced as a whole under a lock: a reader sees the old file or the new one,
// and two processes that write do not undo each other. A process that runs
// notices within a second what another one changed.
//
// Tokens of foreign issuers, and the checking of access tokens, are the gateway
// SDK's business. This package and the SDK are the only homes of go-jose.
package token

import "errors"

// The errors that callers tell apart. None of them, and no message of this
// package, contains a token or a secret.
var (
	// ErrInvalid is a token that was never good for this: not ours, of another
	// kind, damaged, or signed with a key that is gone.
	ErrInvalid = errors.New("token: invalid")
	// ErrExpired is a token that was good once.
	ErrExpired = errors.New("token: expired")
	// ErrInvalidGrant is a grant that no token can be minted for.
	ErrInvalidGrant = errors.New("token: invalid grant")
	// ErrInvalidBackendKey is a backend key that does not exist, or no longer.
	ErrInvalidBackendKey = errors.New("token: invalid backend key")
	// ErrInsecureFile is a key file that others than its owner may read.
	ErrInsecureFile = errors.New("token: key file is open to others")
	// ErrDamagedFile is a key file that makes no sense. It is never overwritten.
	ErrDamagedFile = errors.New("token: key file is damaged")
)
