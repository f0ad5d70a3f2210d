package session

import (
	"time"

	"github.com/posse-pos/posse/events"
)

// Fact is an event in its place in the user's history.
type Fact struct {
	ID       string // of the envelope
	Sequence uint64
	Event    events.Event
}

// Evolve folds facts into a state, oldest first. Facts that the state already
// holds change nothing, and so do types that this build does not know.
func Evolve(s State, facts ...Fact) State {
	if len(facts) == 0 {
		return s
	}
	s.sessions = cloneSessions(s.sessions)
	for _, fact := range facts {
		if fact.Sequence <= s.LastSequence {
			continue
		}
		s.LastSequence = fact.Sequence
		s.apply(fact)
	}
	return s
}

func (s State) apply(fact Fact) {
	id := fact.Event.SessionKey().Session
	x := s.sessions[id]
	x.ID = id
	switch e := fact.Event.(type) {
	case events.LoggedIn:
		x.login(fact, e)
	case events.Refreshed:
		x.refresh(fact, e)
	case events.Revoked:
		x.revoke(fact, e)
	default:
		return
	}
	s.sessions[id] = x
}

func (x *Session) login(fact Fact, e events.LoggedIn) {
	if x.LoginSequence != 0 {
		return // an id is issued once: the first login is the session
	}
	x.LoginID, x.LoginSequence = fact.ID, fact.Sequence
	x.Created = e.Created.Time()
	x.Expires = later(x.Expires, e.Expires.Time())
	x.UserAgent = e.Personal.UserAgent
	x.seen(e)
}

func (x *Session) refresh(fact Fact, e events.Refreshed) {
	x.Expires = later(x.Expires, e.Expires.Time())
	if e.Generation > x.Generation {
		x.Generation, x.RefreshID, x.RefreshSequence = e.Generation, fact.ID, fact.Sequence
	}
	if e.Personal.UserAgent != "" {
		x.UserAgent = e.Personal.UserAgent
	}
	x.seen(e)
}

func (x *Session) revoke(fact Fact, e events.Revoked) {
	if x.End != nil {
		return // the first revocation is the one that counts
	}
	x.End = &End{Cause: e.Cause, CommandID: e.CommandID, Sequence: fact.Sequence}
}

func (x *Session) seen(e events.Event) {
	x.LastActive = later(x.LastActive, e.Occurred().Time())
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
