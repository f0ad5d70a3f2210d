package session

import (
	"fmt"
	"time"

	"github.com/posse-pos/posse/events"
)

// plainSlack is how far below the hard cap a user must be for a login to go
// without an expectation: more than can race unseen between two reads.
const plainSlack = events.MaxActiveSessions / 2

// Login signs a user in on a device.
type Login struct {
	events.Key
	// ID is the event id, made from everything that the login says: a login with
	// the same session and another ID is another login.
	ID  string
	Now time.Time
	// Created is when the session began; zero means Now. Expires is when it ends;
	// zero means the policy's lifetime after Created.
	Created, Expires time.Time
	// FreshID says that the session's id was made for this login just now, so
	// that no other login can have it.
	FreshID bool

	Platform, AppVersion, Build string
	Personal                    events.LoginPersonal

	Policy Policy
	// CommandID marks the sessions that end to make room for this one.
	CommandID string
}

func (c Login) decide(s State) (Decision, error) {
	if known, ok := s.sessions[c.Session]; ok {
		return c.again(known)
	}
	if c.Created.IsZero() {
		c.Created = c.Now
	}
	if c.Expires.IsZero() {
		c.Expires = c.Created.Add(c.Policy.Lifetime())
	}
	if err := checkLifetime(c.Policy, c.Created, c.Expires); err != nil {
		return Decision{}, err
	}
	active := s.Active(c.Now)
	d := Decision{
		NeedsExpectation: !c.FreshID || c.Policy.MaxSessions > 0 || len(active) > plainSlack,
		Session: Session{
			ID: c.Session, LoginID: c.ID, Created: c.Created, Expires: c.Expires,
			LastActive: c.Now, UserAgent: c.Personal.UserAgent,
		},
	}
	surplus := active[:max(0, len(active)+1-c.Policy.maxSessions())]
	if len(surplus) >= maxFacts {
		return c.makeRoom(surplus[:maxFacts]), nil
	}
	for _, x := range surplus {
		d.Facts = append(d.Facts, c.capped(x))
	}
	for _, x := range append(s.endedBy(c.CommandID), surplus...) {
		d.Ended = append(d.Ended, x.ID)
	}
	d.Facts = append(d.Facts, c.fact())
	return d, nil
}

// makeRoom goes ahead of a login that displaces more sessions than fit into one
// append beside it.
func (c Login) makeRoom(surplus []Session) Decision {
	d := Decision{NeedsExpectation: true, More: true}
	for _, x := range surplus {
		d.Facts = append(d.Facts, c.capped(x))
	}
	return d
}

// again answers a login with an id that the history has.
func (c Login) again(known Session) (Decision, error) {
	switch {
	case known.End != nil:
		return Decision{}, fmt.Errorf("%w: session %q ended with cause %q, its id is not used again",
			ErrRevoked, known.ID, known.End.Cause)
	case known.LoginID != c.ID:
		return Decision{}, fmt.Errorf("%w: session %q", ErrExists, known.ID)
	}
	return Decision{Session: known, Position: known.LoginSequence}, nil
}

func (c Login) capped(x Session) events.Event {
	return Ending{
		Tenant: c.Tenant, User: c.User, Now: c.Now, CommandID: c.CommandID,
		Cause: events.CauseCap, By: events.InitiatedByPolicy,
	}.fact(x)
}

func (c Login) fact() events.Event {
	return events.LoggedIn{
		Key:            c.Key,
		EventTimestamp: events.TimestampOf(c.Now),
		Created:        events.TimestampOf(c.Created),
		Expires:        events.TimestampOf(c.Expires),
		Platform:       c.Platform,
		AppVersion:     c.AppVersion,
		Build:          c.Build,
		Personal:       c.Personal,
	}
}

func checkLifetime(p Policy, created, expires time.Time) error {
	latest := created.Add(p.Lifetime())
	if expires.After(created) && !expires.After(latest) {
		return nil
	}
	return fmt.Errorf("%w: %s is not after %s and at most %s", ErrLifetime,
		expires.UTC().Format(time.RFC3339), created.UTC().Format(time.RFC3339), latest.UTC().Format(time.RFC3339))
}
