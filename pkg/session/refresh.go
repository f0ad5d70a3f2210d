package session

import (
	"fmt"
	"time"

	"github.com/posse-pos/posse/events"
)

// Refresh renews a session's token.
type Refresh struct {
	events.Key
	// ID is the event id, and the same when the command is given again.
	ID  string
	Now time.Time
	// Generation is that of the refresh token presented. Foreign says that the
	// token is another system's, which guards its own generations.
	Generation uint64
	Foreign    bool
	// Expires is the session's new expiry; zero leaves it. It never moves back.
	Expires time.Time
	// LastSeen is the session's newest touch, where the policy has an idle
	// timeout.
	LastSeen time.Time
	Personal events.DevicePersonal

	Policy    Policy
	CommandID string // marks the session if this command ends it
}

func (c Refresh) decide(s State) (Decision, error) {
	x, ok := s.Session(c.Session)
	switch {
	case !ok:
		return Decision{}, fmt.Errorf("%w: session %q", ErrNotFound, c.Session)
	case x.End != nil:
		return Decision{}, fmt.Errorf("%w: session %q ended with cause %q", ErrRevoked, x.ID, x.End.Cause)
	case c.ID != "" && x.RefreshID == c.ID:
		return Decision{Session: x, Position: x.RefreshSequence}, nil
	case !x.Expires.After(c.Now):
		return Decision{}, fmt.Errorf("%w: session %q at %s", ErrExpired, x.ID, x.Expires.Format(time.RFC3339))
	case !c.Foreign && c.Generation > x.Generation:
		return Decision{}, fmt.Errorf("%w: %d, the newest of session %q is %d", ErrGeneration, c.Generation, x.ID, x.Generation)
	case !c.Foreign && c.Generation < x.Generation:
		return c.refuse(x, events.CauseRefreshReuse, events.InitiatedBySystem, ErrReuse), nil
	case c.Policy.idle(later(x.LastActive, c.LastSeen), c.Now):
		return c.refuse(x, events.CauseIdle, events.InitiatedByPolicy, ErrIdle), nil
	}
	return c.renew(x)
}

// refuse ends the session and tells the caller why.
func (c Refresh) refuse(x Session, cause events.Cause, by events.InitiatingEntity, refusal error) Decision {
	fact := Ending{
		Tenant: c.Tenant, User: c.User, Now: c.Now, CommandID: c.CommandID, Cause: cause, By: by,
		Personal: events.RevokedPersonal{ActorIP: c.Personal.IP},
	}.fact(x)
	return Decision{
		Facts: []events.Event{fact}, NeedsExpectation: true, Ended: []string{x.ID},
		Refusal: fmt.Errorf("%w: session %q is revoked", refusal, x.ID),
	}
}

func (c Refresh) renew(x Session) (Decision, error) {
	if c.Expires.After(x.Expires) {
		if err := checkLifetime(c.Policy, x.Created, c.Expires); err != nil {
			return Decision{}, err
		}
		x.Expires = c.Expires
	}
	if c.Personal.UserAgent == x.UserAgent {
		c.Personal.UserAgent = ""
	}
	x.Generation++
	x.RefreshID = c.ID
	x.LastActive = later(x.LastActive, c.Now)
	fact := events.Refreshed{
		Key:            c.Key,
		EventTimestamp: events.TimestampOf(c.Now),
		Expires:        events.TimestampOf(x.Expires),
		Generation:     x.Generation,
		Personal:       c.Personal,
	}
	return Decision{Facts: []events.Event{fact}, NeedsExpectation: true, Session: x}, nil
}
