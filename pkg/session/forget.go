package session

import (
	"github.com/posse-pos/posse/events"
)

// Forget ends every session of the user and has everybody forget the person.
type Forget struct {
	Ending

	// Keys are the ids of all keys that the user's facts were sealed with.
	Keys []string
}

//nolint:unparam // nothing forbids it in any state
func (c Forget) decide(s State) (Decision, error) {
	left := s.Active(c.Now)
	done := s.endedBy(c.CommandID)
	e := c.implied(events.CausePolicy)
	if len(left) >= maxFacts { // and the fact itself would be one too many
		d := e.end(left[:maxFacts]...)
		d.Ended, d.More = ids(append(done, left[:maxFacts]...)), true
		return d, nil
	}
	d := e.end(left...)
	d.Facts = append(d.Facts, events.Forgotten{
		Tenant: c.Tenant, User: c.User, EventTimestamp: events.TimestampOf(c.Now),
		InitiatingEntity: c.By, Actor: c.Actor, CommandID: c.CommandID, Keys: c.Keys,
	})
	d.Ended = ids(append(done, left...))
	return d, nil
}
