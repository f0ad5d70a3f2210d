package session

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/posse-pos/posse/events"
)

// Ending is what the commands that end sessions have in common: whose they are,
// who ends them, when and why.
type Ending struct {
	Tenant, User string
	Now          time.Time
	// CommandID is shared by all sessions that the command ends. Giving a
	// command again under its id changes nothing.
	CommandID string
	// Cause overrides the one that the command implies, if set.
	Cause    events.Cause
	By       events.InitiatingEntity
	Actor    events.Actor
	Personal events.RevokedPersonal
}

func (e Ending) fact(x Session) events.Event {
	return events.Revoked{
		Key:              events.Key{Tenant: e.Tenant, User: e.User, Session: x.ID},
		EventTimestamp:   events.TimestampOf(e.Now),
		Cause:            e.Cause,
		InitiatingEntity: e.By,
		Actor:            e.Actor,
		Expires:          events.TimestampOf(x.Expires),
		CommandID:        e.CommandID,
		Personal:         e.Personal,
	}
}

func (e Ending) implied(cause events.Cause) Ending {
	if e.Cause == "" {
		e.Cause = cause
	}
	return e
}

// EndOne ends one session: Terminate, or with the cause logout a sign-out.
type EndOne struct {
	Ending

	Session string
}

func (c EndOne) decide(s State) (Decision, error) {
	x, ok := s.Session(c.Session)
	switch {
	case !ok:
		return Decision{}, fmt.Errorf("%w: session %q", ErrNotFound, c.Session)
	case !isActive(x, c.Now):
		return c.over(x), nil
	}
	return c.implied(events.CauseTerminate).end(x), nil
}

// over answers for a session that is not active any more: this very command
// may have ended it, or somebody else, or its expiry.
func (e Ending) over(x Session) Decision {
	switch {
	case x.End == nil:
		return Decision{Position: x.LoginSequence}
	case x.End.CommandID == e.CommandID:
		return Decision{Ended: []string{x.ID}, Position: x.End.Sequence}
	default:
		return Decision{Position: x.End.Sequence}
	}
}

func (e Ending) end(sessions ...Session) Decision {
	d := Decision{NeedsExpectation: true}
	for _, x := range sessions {
		d.Facts = append(d.Facts, e.fact(x))
		d.Ended = append(d.Ended, x.ID)
	}
	return d
}

// EndIdle ends a session that nobody used for as long as Timeout; one that was
// used is left alone.
type EndIdle struct {
	Ending

	Session  string
	LastSeen time.Time // its newest touch
	Timeout  time.Duration
}

func (c EndIdle) decide(s State) (Decision, error) {
	x, ok := s.Session(c.Session)
	if !ok {
		return Decision{}, fmt.Errorf("%w: session %q", ErrNotFound, c.Session)
	}
	if !isActive(x, c.Now) {
		return c.over(x), nil
	}
	if !(Policy{IdleTimeout: c.Timeout}).idle(later(x.LastActive, c.LastSeen), c.Now) {
		return Decision{Position: x.LoginSequence}, nil
	}
	return c.implied(events.CauseIdle).end(x), nil
}

// EndAll ends every session of the user: Logout All.
type EndAll struct{ Ending }

func (c EndAll) decide(s State) (Decision, error) {
	return c.implied(events.CauseLogoutAll).endMany(s, "")
}

// EndOthers ends every session of the user but one: Logout Other Devices.
type EndOthers struct {
	Ending

	Keep string
}

func (c EndOthers) decide(s State) (Decision, error) {
	if !isActive(s.sessions[c.Keep], c.Now) && len(s.endedBy(c.CommandID)) == 0 {
		return Decision{}, fmt.Errorf("%w: session %q, which was to be kept, is not active", ErrNotFound, c.Keep)
	}
	return c.implied(events.CauseLogoutOthers).endMany(s, c.Keep)
}

// endMany ends the active sessions but one. A command that is given again
// finishes what it began and leaves alone whoever signed in since.
func (e Ending) endMany(s State, keep string) (Decision, error) {
	done := s.endedBy(e.CommandID)
	before := uint64(math.MaxUint64)
	position := uint64(0)
	for _, x := range done {
		before = min(before, x.End.Sequence)
		position = max(position, x.End.Sequence)
	}
	left := slices.DeleteFunc(s.Active(e.Now), func(x Session) bool {
		return x.ID == keep || x.LoginSequence > before
	})
	now := left[:min(len(left), maxFacts)]
	d := e.end(now...)
	d.More = len(now) < len(left)
	d.Ended = ids(append(done, now...))
	d.Position = position
	if len(done) == 0 {
		d.Position = s.LastSequence
	}
	return d, nil
}

func ids(sessions []Session) []string {
	slices.SortFunc(sessions, byLogin)
	names := make([]string, len(sessions))
	for i, x := range sessions {
		names[i] = x.ID
	}
	return names
}
