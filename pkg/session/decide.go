package session

import (
	"time"

	"github.com/posse-pos/posse/events"
)

// Command is one of Login, Refresh, EndOne, EndOthers, EndAll, EndIdle and Forget.
type Command interface {
	decide(s State) (Decision, error)
}

// Decision is what a command comes to.
type Decision struct {
	// Facts are to be appended, all or none, in order. None means that nothing
	// changes: the command repeats one that was carried out, or has no object.
	Facts []events.Event
	// NeedsExpectation says that the facts are true only if the state's last
	// sequence is still the user's last.
	NeedsExpectation bool
	// Refusal is what the caller is told after the facts are stored: they record
	// an abuse, not a success. Nil for all others.
	Refusal error

	// Session is the session of a Login or Refresh as it stands afterwards.
	Session Session
	// Ended names the sessions that this command ended, whether now or when it
	// was first given; the oldest login first.
	Ended []string
	// Position is the place of the facts that an earlier command wrote, when
	// there is nothing to append.
	Position uint64
	// More says that Facts are as many as one append can hold and that the same
	// command is to be given again for the rest.
	More bool
}

// maxFacts is how many facts one append holds.
const maxFacts = events.MaxActiveSessions

// Decide says what a command comes to in a state, or why it is refused.
func Decide(s State, c Command) (Decision, error) { return c.decide(s) }

// Policy is what a tenant allows.
type Policy struct {
	// IdleTimeout ends sessions without activity for so long; 0 means never.
	IdleTimeout time.Duration
	// AbsoluteLifetime is the longest from a session's creation to its expiry;
	// 0 means DefaultLifetime.
	AbsoluteLifetime time.Duration
	// MaxSessions is how many sessions a user may have at once; 0 means
	// events.MaxActiveSessions, which is also the most.
	MaxSessions int
}

// DefaultLifetime is how long a session lives where the policy says nothing.
const DefaultLifetime = 30 * 24 * time.Hour

// Lifetime returns the absolute lifetime with its default filled in.
func (p Policy) Lifetime() time.Duration {
	if p.AbsoluteLifetime <= 0 {
		return DefaultLifetime
	}
	return p.AbsoluteLifetime
}

func (p Policy) maxSessions() int {
	if p.MaxSessions <= 0 {
		return events.MaxActiveSessions
	}
	return min(p.MaxSessions, events.MaxActiveSessions)
}

// idle reports whether a session that was last seen then is idle now.
func (p Policy) idle(last, now time.Time) bool {
	return p.IdleTimeout > 0 && !last.Add(p.IdleTimeout).After(now)
}
