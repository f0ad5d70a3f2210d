package session

import "errors"

// Why a command is refused.
var (
	// ErrNotFound says that the user has no such session.
	ErrNotFound = errors.New("session: not found")
	// ErrExists says that a login names a session that another login made.
	ErrExists = errors.New("session: id is taken by a different login")
	// ErrRevoked says that the session has ended; nothing brings it back.
	ErrRevoked = errors.New("session: revoked")
	// ErrExpired says that the session's time is over.
	ErrExpired = errors.New("session: expired")
	// ErrIdle says that the session was unused for longer than the policy allows
	// and is revoked for it.
	ErrIdle = errors.New("session: idle for too long")
	// ErrReuse says that a refresh token was presented that had been redeemed
	// before, and that the session is revoked for it.
	ErrReuse = errors.New("session: refresh token was used before")
	// ErrGeneration says that a refresh token is newer than the history: it was
	// minted from facts that this log does not have.
	ErrGeneration = errors.New("session: refresh token is of an unknown generation")
	// ErrLifetime says that an expiry lies outside what the policy allows.
	ErrLifetime = errors.New("session: expiry is outside the allowed lifetime")
)
