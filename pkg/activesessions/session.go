package activesessions

import (
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/device"
)

// Session is the row of one session: what the read model knows of it. Times are
// UTC with millisecond precision; a zero time means unknown.
type Session struct {
	events.Key

	Username    string
	DisplayName string
	AvatarURL   string
	DeviceLabel string

	Platform   string // as declared
	AppVersion string
	Build      string
	// UserAgent is that of the newest login or refresh that carried one, and
	// UserAgentAt when that was.
	UserAgent   string
	UserAgentAt time.Time
	// ClientHints are as declared at login.
	ClientHints map[string]string
	Device      device.Device

	IP         string    // of the newest fact that carried one
	IPAt       time.Time // when that fact happened
	Created    time.Time
	Expires    time.Time // greatest of the login and the refreshes
	LastActive time.Time // greatest time of any login, refresh or touch
	Generation uint64    // greatest refresh generation

	// LoginID is the event id of the login, LoginSequence its place in
	// POS_SESSIONS. A row without them is a stub, which queries ignore.
	LoginID       string
	LoginSequence uint64
	// First is the place in POS_SESSIONS of the first fact about the session, 0 if
	// only touches are known. It tells what was before the user was forgotten.
	First uint64

	End *End // nil while nobody ended it
	// Forgotten says that the user was forgotten after the session began: nothing in
	// the row says anything about the person any more, see Forget.
	Forgotten bool
	// Later is the end that came after the moment that was asked about, see AsOf. It
	// is no part of a row that is stored.
	Later *End
}

// End says how a session ended before its expiry: the revocation with the lowest
// stream sequence.
type End struct {
	At               time.Time
	Cause            events.Cause
	InitiatingEntity events.InitiatingEntity
	Actor            events.Actor
	ActorIP          string
	ReasonAdmin      string
	ReasonUser       string
	CommandID        string
	Sequence         uint64
}

// Active reports whether the session could be used at a moment: it was signed
// in, not ended and not expired.
func (s *Session) Active(at time.Time) bool {
	return s.LoginSequence != 0 && !s.Created.After(at) && s.Expires.After(at) &&
		(s.End == nil || s.End.At.After(at))
}

// User is a user with at least one active session.
type User struct {
	Tenant      string
	ID          string
	Username    string
	DisplayName string
	AvatarURL   string    // no names and no avatar if all their logins are forgotten
	Sessions    int       // active ones
	LastActive  time.Time // greatest of the active sessions
}
