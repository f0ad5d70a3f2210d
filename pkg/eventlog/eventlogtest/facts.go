package eventlogtest

import (
	"strconv"
	"time"

	"github.com/posse-pos/posse/events"
)

const (
	tenant = "shop"
	source = "/eventlogtest"
)

// moment is when everything in the suite happens: the log does not read it.
var moment = time.Date(2026, 3, 14, 9, 26, 53, 589_000_000, time.UTC)

func key(user, session string) events.Key {
	return events.Key{Tenant: tenant, User: user, Session: session}
}

func envelope(id string, event events.Event) events.Envelope {
	return events.Envelope{ID: id, Source: source, Time: moment, Event: event}
}

// login is a user's sign-in; the session's id is the fact's too.
func login(user, session string) events.Envelope {
	at := events.TimestampOf(moment)
	return envelope(session, events.LoggedIn{
		Key: key(user, session), EventTimestamp: at, Created: at, Expires: events.TimestampOf(moment.Add(time.Hour)),
	})
}

// logoutAll ends sessions with one command.
func logoutAll(user, command string, sessions []string) []events.Envelope {
	facts := make([]events.Envelope, len(sessions))
	for i, session := range sessions {
		facts[i] = envelope(command+"-"+strconv.Itoa(i), events.Revoked{
			Key: key(user, session), EventTimestamp: events.TimestampOf(moment), Cause: events.CauseLogoutAll,
			InitiatingEntity: events.InitiatedByAdmin, Expires: events.TimestampOf(moment.Add(time.Hour)), CommandID: command,
		})
	}
	return facts
}

// touch is the n-th activity of one of ann's sessions.
func touch(session string, n int) events.Envelope {
	return envelope("touch-"+session+"-"+strconv.Itoa(n), events.Touched{
		Key: key("ann", session), EventTimestamp: events.TimestampOf(moment.Add(time.Duration(n) * time.Second)),
	})
}
