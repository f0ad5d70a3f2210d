package session

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/posse-pos/posse/events"
)

// State is what the facts say of one user. The zero State is that of a user of
// whom nothing is known. A State is a value: nothing changes one that somebody
// holds, so it may be shared.
type State struct {
	// LastSequence is the place of the user's newest fact, 0 for none: what an
	// append of a decision expects.
	LastSequence uint64

	sessions map[string]Session
}

// Session is one session of a user.
type Session struct {
	ID string
	// LoginID is the event id of the login and LoginSequence its place; a
	// session without them was never signed in.
	LoginID       string
	LoginSequence uint64

	Created, Expires time.Time
	// LastActive is the greatest time of the login and the refreshes, and of
	// touches where the state came from rows that know them.
	LastActive time.Time
	UserAgent  string

	// Generation counts refresh tokens; RefreshID and RefreshSequence are the
	// event id and place of the newest refresh, where known.
	Generation      uint64
	RefreshID       string
	RefreshSequence uint64

	End *End // nil while nobody ended it
}

// End says how a session was revoked.
type End struct {
	Cause     events.Cause
	CommandID string
	Sequence  uint64
}

// NewState is the state of a user whose sessions are known otherwise than from
// their facts, as of the user's fact at a sequence.
func NewState(lastSequence uint64, sessions ...Session) State {
	known := make(map[string]Session, len(sessions))
	for _, s := range sessions {
		known[s.ID] = s
	}
	return State{LastSequence: lastSequence, sessions: known}
}

// Session returns a session by its id, ended and expired ones too.
func (s State) Session(id string) (Session, bool) {
	found, ok := s.sessions[id]
	return found, ok && found.LoginSequence != 0
}

// Active returns the sessions that can be used at a moment, the oldest login
// first.
func (s State) Active(at time.Time) []Session {
	return s.filter(func(x Session) bool { return isActive(x, at) })
}

// Len counts all the sessions that the state remembers.
func (s State) Len() int { return len(s.sessions) }

// Complete reports whether every session has its login. A state that began from
// a selection may lack one that was refreshed since.
func (s State) Complete() bool {
	for _, x := range s.sessions {
		if x.LoginSequence == 0 {
			return false
		}
	}
	return true
}

// With returns the state with one more session that is known otherwise than
// from facts; a session that the facts know stays as they say.
func (s State) With(x Session) State {
	if _, known := s.sessions[x.ID]; known {
		return s
	}
	s.sessions = cloneSessions(s.sessions)
	s.sessions[x.ID] = x
	return s
}

// Without returns the state without the sessions whose expiry has passed at a
// moment: no command but a login that reuses their ids asks for them.
func (s State) Without(at time.Time) State {
	over := func(_ string, x Session) bool { return x.LoginSequence != 0 && !x.Expires.After(at) }
	for id, x := range s.sessions {
		if over(id, x) {
			s.sessions = cloneSessions(s.sessions)
			maps.DeleteFunc(s.sessions, over)
			return s
		}
	}
	return s
}

// endedBy returns the sessions that a command ended, the oldest login first.
func (s State) endedBy(command string) []Session {
	return s.filter(func(x Session) bool { return x.End != nil && x.End.CommandID == command })
}

func (s State) filter(keep func(Session) bool) []Session {
	var found []Session
	for _, x := range s.sessions {
		if keep(x) {
			found = append(found, x)
		}
	}
	slices.SortFunc(found, byLogin)
	return found
}

// byLogin orders by the log, not by clocks.
func byLogin(a, b Session) int {
	return cmp.Or(cmp.Compare(a.LoginSequence, b.LoginSequence), cmp.Compare(a.ID, b.ID))
}

func isActive(x Session, at time.Time) bool {
	return x.LoginSequence != 0 && x.End == nil && x.Expires.After(at)
}

func cloneSessions(of map[string]Session) map[string]Session {
	clone := make(map[string]Session, len(of)+1)
	maps.Copy(clone, of)
	return clone
}
