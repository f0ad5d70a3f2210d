package reads

import (
	"time"

	"github.com/posse-pos/posse/pkg/activesessions"
)

// User is a user with at least one active session, as the viewer sees them.
type User struct {
	activesessions.User

	ActiveNow bool // made a request within ActiveWithin of the moment
	IsYou     bool // the viewer
}

// State of a session.
type State string

// A session is active until it is ended or, if nobody does, expired.
const (
	StateActive  State = "active"
	StateEnded   State = "ended"
	StateExpired State = "expired"
)

// Session is a session as it stood at the moment. Its End is set if it had ended
// by then, its Later if somebody ended it after a past moment; both lack what was
// written for others than the viewer.
type Session struct {
	activesessions.Session

	State     State
	IsCurrent bool // the viewer's own
	ActiveNow bool // made a request within ActiveWithin of the moment
}

func (l *Lens) user(u *activesessions.User) User {
	return User{User: *u, ActiveNow: l.isActive(u.LastActive), IsYou: l.Viewer.User != "" && l.Viewer.User == u.ID}
}

func (l *Lens) session(stored *activesessions.Session) Session {
	view := Session{Session: *stored}
	if !l.AsOf.IsZero() {
		view.AsOf(l.AsOf)
	}
	view.State = l.state(&view.Session)
	view.IsCurrent = l.Viewer.Session != "" && l.Viewer.Session == view.Session.Session && l.Viewer.User == view.User
	view.ActiveNow = view.State == StateActive && l.isActive(view.LastActive)
	view.End, view.Later = l.ended(view.State, view.End), l.later(&view.Session)
	return view
}

func (l *Lens) sessions(rows []activesessions.Session) []Session {
	list := make([]Session, len(rows))
	for i := range rows {
		list[i] = l.session(&rows[i])
	}
	return list
}

// state goes by what came first: an expired session cannot be ended any more.
func (l *Lens) state(row *activesessions.Session) State {
	switch {
	case row.End != nil && row.End.At.Before(row.Expires):
		return StateEnded
	case row.End == nil && row.Expires.After(l.At):
		return StateActive
	default:
		return StateExpired
	}
}

func (l *Lens) ended(state State, end *activesessions.End) *activesessions.End {
	if state != StateEnded || end == nil {
		return nil
	}
	return l.redacted(end)
}

func (l *Lens) later(row *activesessions.Session) *activesessions.End {
	if row.Later == nil || !row.Later.At.Before(row.Expires) {
		return nil
	}
	return l.redacted(row.Later)
}

// redacted keeps from the person who was signed out what was written for
// administrators.
func (l *Lens) redacted(end *activesessions.End) *activesessions.End {
	view := *end
	if !l.Viewer.MayReadAll() {
		view.ActorIP, view.ReasonAdmin = "", ""
	}
	return &view
}

// isActive reports whether somebody whose last request was at a moment is active
// now. For a past moment it is false when the last request did not come before
// it, since of the earlier ones nothing is known.
func (l *Lens) isActive(last time.Time) bool {
	if !last.Before(l.At) {
		return l.AsOf.IsZero() // and clocks differ
	}
	return !last.IsZero() && l.At.Sub(last) <= ActiveWithin
}
