package events

// Cause says why a session ended before its expiry.
type Cause string

// The causes that posse gives. A reader meets others: unknown causes are kept.
const (
	CauseLogout       Cause = "logout"        // the session ended itself
	CauseTerminate    Cause = "terminate"     // somebody ended this one session
	CauseLogoutOthers Cause = "logout_others" // every session of the user but one
	CauseLogoutAll    Cause = "logout_all"    // every session of the user
	CauseIdle         Cause = "idle"          // no request for the tenant's idle timeout
	CauseCap          Cause = "cap"           // the user signed in on one device too many
	CauseRefreshReuse Cause = "refresh_reuse" // a refresh token was presented twice
	CauseUserDisabled Cause = "user_disabled" // the user may not sign in any more
	CausePolicy       Cause = "policy"        // some other rule of the tenant
)

// InitiatingEntity says who ended a session, in the words of OpenID CAEP 1.0 §2.
type InitiatingEntity string

// The initiating entities of CAEP.
const (
	InitiatedByAdmin  InitiatingEntity = "admin"
	InitiatedByUser   InitiatingEntity = "user"
	InitiatedByPolicy InitiatingEntity = "policy"
	InitiatedBySystem InitiatingEntity = "system"
)

// Revoked says that a session ended before its expiry. There is no other way
// for it to end early, and nothing brings it back.
type Revoked struct {
	Key
	EventTimestamp   Timestamp        `json:"event_timestamp"`
	Cause            Cause            `json:"cause"`
	InitiatingEntity InitiatingEntity `json:"initiating_entity"`
	Actor            Actor            `json:"actor,omitzero"`
	// Expires is when the session would have ended by itself: a revocation need
	// not be remembered longer.
	Expires Timestamp `json:"expires"`
	// CommandID is shared by all sessions that one command ended.
	CommandID string          `json:"command_id"`
	Personal  RevokedPersonal `json:"personal,omitzero"`
	Sealed    Sealed          `json:"sealed,omitzero"` // as in LoggedIn
}

// Actor is who ended a session: a user and the session they were using, or
// neither when posse itself or a POS backend did.
type Actor struct {
	User    string `json:"user,omitempty"`
	Session string `json:"session,omitempty"`
}

// RevokedPersonal is what the end of a session says about people. The reasons
// are free text: reason_admin for the administrator's eyes, reason_user for the
// person who was signed out.
type RevokedPersonal struct {
	ActorIP     string `json:"actor_ip,omitempty"`
	ReasonAdmin string `json:"reason_admin,omitempty"`
	ReasonUser  string `json:"reason_user,omitempty"`
}

// EventType returns session.revoked.
func (Revoked) EventType() Type { return TypeRevoked }

// Occurred returns the moment of the revocation.
func (e Revoked) Occurred() Timestamp { return e.EventTimestamp }
