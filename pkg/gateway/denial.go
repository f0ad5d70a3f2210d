package gateway

import (
	"errors"
	"net/http"

	"github.com/posse-pos/posse/pkg/gateway/tokens"
)

// Reason says in one word how a request was decided. It is what problem documents
// and metrics carry; the words do not change.
type Reason string

// The reasons of a denial, and what Hooks.Decided hears of others.
const (
	// ReasonRevoked is a session that was ended: 401.
	ReasonRevoked Reason = "session_revoked"
	// ReasonExpired is a token that was good once: 401.
	ReasonExpired Reason = "token_expired"
	// ReasonInvalid is a token that was never good here: 401.
	ReasonInvalid Reason = "token_invalid"
	// ReasonMissing is a request without a token, or with more than one: 401.
	ReasonMissing Reason = "token_missing"
	// ReasonStale is a gateway that may have missed revocations: 503.
	ReasonStale Reason = "gateway_stale"
	// ReasonNotReady is a gateway that has not loaded the revocations yet: 503.
	ReasonNotReady Reason = "not_ready"
	// ReasonKeys is a gateway that cannot tell whether the token is good, because
	// the issuer's keys are not at hand: 503.
	ReasonKeys Reason = "keys_unavailable"
	// ReasonAllowed is no denial, nor is ReasonAllowedStale: admitted by the policy
	// although the gateway is stale.
	ReasonAllowed      Reason = "allowed"
	ReasonAllowedStale Reason = "allowed_stale"
)

// What a Denial wraps, besides the errors of package tokens.
var (
	ErrRevoked  = errors.New("gateway: session was revoked")
	ErrMissing  = errors.New("gateway: request has no token")
	ErrStale    = errors.New("gateway: newest revocations may be missing")
	ErrNotReady = errors.New("gateway: revocations are not loaded yet")
	// ErrTenant is a good token of a tenant that this gateway does not serve.
	ErrTenant = errors.New("gateway: token is of another tenant")
	// ErrConfig says that a Gateway cannot be made as configured.
	ErrConfig = errors.New("gateway: invalid configuration")
)

// Denial is why a request is not admitted: the error that Check, CheckSession and Admit return.
//
//nolint:errname // gateways speak of denials
type Denial struct {
	Reason Reason
	// Status is 401 when the bearer has to sign in again, and 503 when the request
	// may be repeated as it is: nobody is signed out because of a fault.
	Status int
	// Err is the cause, ErrRevoked for instance or one of the errors of package
	// tokens. It never contains the token.
	Err error
}

// Error returns the cause.
func (d *Denial) Error() string { return d.Err.Error() }

// Unwrap returns the cause, so that errors.Is finds it.
func (d *Denial) Unwrap() error { return d.Err }

func deny(reason Reason, err error) *Denial {
	status := http.StatusUnauthorized
	if reason == ReasonStale || reason == ReasonNotReady || reason == ReasonKeys {
		status = http.StatusServiceUnavailable
	}
	return &Denial{Reason: reason, Status: status, Err: err}
}

func denyToken(err error) *Denial {
	switch {
	case errors.Is(err, tokens.ErrExpired):
		return deny(ReasonExpired, err)
	case errors.Is(err, tokens.ErrKeysUnavailable):
		return deny(ReasonKeys, err)
	default:
		return deny(ReasonInvalid, err)
	}
}
