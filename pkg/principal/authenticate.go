package principal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/posse-pos/posse/pkg/token"
)

// The errors of an Authenticator. Their messages never hold the bearer.
var (
	// ErrUnauthenticated says that the bearer is nobody: answer 401. It wraps the
	// reason.
	ErrUnauthenticated = errors.New("principal: not authenticated")
	// ErrSessionRevoked is the reason that a good token's session has ended.
	ErrSessionRevoked = errors.New("session is revoked")
	// ErrUnavailable says that nobody can tell at the moment, for instance because
	// a foreign issuer's keys cannot be fetched: answer 503, never 401, so that a
	// fault does not sign people out. A VerifyFunc returns it.
	ErrUnavailable = errors.New("principal: cannot authenticate now")
)

// The roles that matter unless configured otherwise.
const (
	DefaultAdminRole   = "admin"
	DefaultAuditorRole = "auditor"
)

// Authenticator finds out who a bearer is. The error is ErrUnauthenticated or
// ErrUnavailable.
type Authenticator interface {
	Authenticate(ctx context.Context, bearer string) (Principal, error)
}

// Chain recognises backend keys by their prefix and takes everything else for a
// session token. Either may be nil, and then accepts nobody.
func Chain(backends, sessions Authenticator) Authenticator {
	return chain{backends: backends, sessions: sessions}
}

type chain struct{ backends, sessions Authenticator }

func (c chain) Authenticate(ctx context.Context, bearer string) (Principal, error) {
	if bearer == "" {
		return Principal{}, refuse(errors.New("no bearer token was sent"))
	}
	next, kind := c.sessions, "session tokens"
	if strings.HasPrefix(bearer, token.BackendKeyPrefix) {
		next, kind = c.backends, "backend keys"
	}
	if next == nil {
		return Principal{}, refuse(fmt.Errorf("%s are not accepted here", kind))
	}
	return next.Authenticate(ctx, bearer)
}

// BackendKeys knows the keys of POS backends; *token.BackendKeys is one.
type BackendKeys interface {
	Lookup(plaintext string) (token.BackendKey, error)
}

// Backends authenticates POS backends by their keys.
func Backends(keys BackendKeys) Authenticator { return backends{keys} }

type backends struct{ keys BackendKeys }

func (b backends) Authenticate(_ context.Context, bearer string) (Principal, error) {
	key, err := b.keys.Lookup(bearer)
	if err != nil {
		return Principal{}, refuse(err)
	}
	return Principal{Kind: Backend, Tenant: key.Tenant, KeyID: key.ID}, nil
}

// SessionClaims is what a verified session token says.
type SessionClaims struct {
	Tenant, User, Session string
	Roles                 []string
	Expires               time.Time
}

// VerifyFunc verifies an access token: signature, algorithm, issuer, type and
// expiry. It refuses refresh tokens. An error that does not wrap ErrUnavailable
// means that the token is no good.
type VerifyFunc func(ctx context.Context, token string) (SessionClaims, error)

// SessionsConfig says how session tokens become principals.
type SessionsConfig struct {
	// Verify verifies an access token. Required.
	Verify VerifyFunc
	// Revoked reports whether a session has ended before its token, so that this
	// service refuses it as the gateways do. Nil means that none is known to have.
	Revoked func(tenant, session string) bool
	// AdminRole is the role that makes an Admin. Empty means DefaultAdminRole.
	AdminRole string
	// AuditorRole is the role that makes an Auditor, unless the token makes an
	// Admin. Empty means DefaultAuditorRole.
	AuditorRole string
}

// Sessions authenticates people by the access tokens of their sessions. It panics
// without cfg.Verify.
func Sessions(cfg SessionsConfig) Authenticator {
	if cfg.Verify == nil {
		panic("principal: Sessions needs a VerifyFunc")
	}
	if cfg.AdminRole == "" {
		cfg.AdminRole = DefaultAdminRole
	}
	if cfg.AuditorRole == "" {
		cfg.AuditorRole = DefaultAuditorRole
	}
	return sessions{cfg}
}

type sessions struct{ cfg SessionsConfig }

func (s sessions) Authenticate(ctx context.Context, bearer string) (Principal, error) {
	claims, err := s.cfg.Verify(ctx, bearer)
	if err != nil {
		return Principal{}, refuse(err)
	}
	if claims.Tenant == "" || claims.User == "" || claims.Session == "" {
		return Principal{}, refuse(errors.New("the token names no tenant, user or session"))
	}
	if s.cfg.Revoked != nil && s.cfg.Revoked(claims.Tenant, claims.Session) {
		return Principal{}, refuse(ErrSessionRevoked)
	}
	return Principal{
		Kind: s.kind(claims.Roles), Tenant: claims.Tenant, User: claims.User, Session: claims.Session,
		Roles: slices.Clone(claims.Roles),
	}, nil
}

func (s sessions) kind(roles []string) Kind {
	switch {
	case slices.Contains(roles, s.cfg.AdminRole):
		return Admin
	case slices.Contains(roles, s.cfg.AuditorRole):
		return Auditor
	default:
		return User
	}
}

// refuse says that a bearer is nobody, unless its judge could not judge.
func refuse(reason error) error {
	switch {
	case errors.Is(reason, ErrUnavailable):
		return reason
	case errors.Is(reason, context.Canceled), errors.Is(reason, context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", ErrUnavailable, reason)
	default:
		return fmt.Errorf("%w: %w", ErrUnauthenticated, reason)
	}
}
