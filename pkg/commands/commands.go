// Package commands is what can be asked of the recorder: the same commands over
// HTTP and over NATS request/reply. Client speaks them over NATS; the recorder
// answers both.
package commands

import (
	"context"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/principal"
)

// Caller is who gives a command, as verified by whoever received it.
type Caller struct {
	Principal principal.Principal `json:"principal"`
	IP        string              `json:"ip,omitempty"`
	// IdempotencyKey repeats an earlier command's answer; "" for none.
	IdempotencyKey string `json:"idempotency_key,omitempty"`
}

// Login records that a user signed in on a device.
type Login struct {
	Caller Caller `json:"caller"`
	// Session is the backend's id for it; "" lets posse make one.
	Session    string               `json:"session,omitempty"`
	User       string               `json:"user"`
	Roles      []string             `json:"roles,omitempty"` // go into minted tokens only
	Platform   string               `json:"platform,omitempty"`
	AppVersion string               `json:"app_version,omitempty"`
	Build      string               `json:"build,omitempty"`
	Created    time.Time            `json:"created,omitzero"` // zero: now
	Expires    time.Time            `json:"expires,omitzero"` // zero: the tenant's absolute lifetime from Created
	Personal   events.LoginPersonal `json:"personal,omitzero"`
}

// LoggedIn answers Login.
type LoggedIn struct {
	Session  string    `json:"session"`
	User     string    `json:"user"`
	Tenant   string    `json:"tenant"`
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires"`
	Position uint64    `json:"position"`
	Ended    int       `json:"ended"` // sessions that the tenant's cap ended
	Tokens   *Tokens   `json:"tokens,omitempty"`
}

// Tokens are minted for a session. They are answered once and stored nowhere.
type Tokens struct {
	Access         string    `json:"access_token"`
	AccessExpires  time.Time `json:"access_expires"`
	Refresh        string    `json:"refresh_token"`
	RefreshExpires time.Time `json:"refresh_expires"`
}

// Refresh redeems a minted refresh token, which is the caller's proof.
type Refresh struct {
	Token     string `json:"refresh_token"`
	IP        string `json:"ip,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
}

// RecordRefresh records that a backend renewed a token of its own making.
type RecordRefresh struct {
	Caller    Caller    `json:"caller"`
	User      string    `json:"user"`
	Session   string    `json:"session"`
	Expires   time.Time `json:"expires,omitzero"`
	IP        string    `json:"ip,omitempty"`
	UserAgent string    `json:"user_agent,omitempty"`
}

// Refreshed answers Refresh and RecordRefresh.
type Refreshed struct {
	Session    string    `json:"session"`
	Expires    time.Time `json:"expires"`
	Generation uint64    `json:"generation"`
	Position   uint64    `json:"position"`
	Tokens     *Tokens   `json:"tokens,omitempty"`
}

// Touch is one session's activity.
type Touch struct {
	User      string    `json:"user"`
	Session   string    `json:"session"`
	At        time.Time `json:"at,omitzero"` // zero: now
	IP        string    `json:"ip,omitempty"`
	UserAgent string    `json:"user_agent,omitempty"`
}

// Touches records activity.
type Touches struct {
	Caller  Caller  `json:"caller"`
	Touches []Touch `json:"touches"`
}

// Reasons say why a session ends.
type Reasons struct {
	Admin string `json:"reason_admin,omitempty"`
	User  string `json:"reason_user,omitempty"`
}

// EndSession ends one session: Terminate, or logout when it is the caller's own.
type EndSession struct {
	Caller  Caller  `json:"caller"`
	Session string  `json:"session"`
	Reasons Reasons `json:"reasons,omitzero"`
}

// EndUser ends sessions of one user: Logout All, or Logout Other Devices when
// Except names the session to keep ("current" is resolved by whoever received
// the command).
type EndUser struct {
	Caller  Caller  `json:"caller"`
	User    string  `json:"user"`
	Except  string  `json:"except,omitempty"`
	Reasons Reasons `json:"reasons,omitzero"`
}

// ForgetUser ends all sessions of a user, and nobody can find out any more who the
// person was.
type ForgetUser struct {
	Caller Caller `json:"caller"`
	User   string `json:"user"`
}

// Ended answers EndSession, EndUser and ForgetUser. Repeating a command with its
// idempotency key gives an identical answer.
type Ended struct {
	Ended    int    `json:"ended"`    // sessions that this command ended
	Position uint64 `json:"position"` // POS_SESSIONS sequence after which they are ended
	// Sessions are their ids.
	Sessions []string `json:"sessions"`
}

// Ender is the part of Commander that the query service offers too.
type Ender interface {
	EndSession(ctx context.Context, command EndSession) (Ended, error)
	EndUser(ctx context.Context, command EndUser) (Ended, error)
	ForgetUser(ctx context.Context, command ForgetUser) (Ended, error)
}

// Commander carries commands out.
type Commander interface {
	Ender
	Login(ctx context.Context, command Login) (LoggedIn, error)
	Refresh(ctx context.Context, command Refresh) (Refreshed, error)
	RecordRefresh(ctx context.Context, command RecordRefresh) (Refreshed, error)
	Touch(ctx context.Context, command Touches) error
}
