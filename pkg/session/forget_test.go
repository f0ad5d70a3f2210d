package session_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/session"
)

func forget(command string, keys ...string) session.Forget {
	return session.Forget{Ending: ending(command), Keys: keys}
}

func forgotten(c session.Forget) events.Forgotten {
	return events.Forgotten{
		Tenant: c.Tenant, User: c.User, EventTimestamp: events.TimestampOf(c.Now),
		InitiatingEntity: c.By, Actor: c.Actor, CommandID: c.CommandID, Keys: c.Keys,
	}
}

func TestForgetEndsEverySessionAndSaysSo(t *testing.T) {
	t.Parallel()
	c := forget("x", "2026q1-a", "2026q2-b")
	given(t, loggedIn("till"), loggedIn("phone")).when(c).
		then(
			revoked("till", events.CausePolicy, events.InitiatedByAdmin, "x"),
			revoked("phone", events.CausePolicy, events.InitiatedByAdmin, "x"),
			forgotten(c),
		).
		ended("till", "phone").expecting(true)
}

func TestForgetOfSomebodyWhoIsSignedOutSaysSo(t *testing.T) {
	t.Parallel()
	c := forget("x")
	given(t, loggedIn("till"), revoked("till", events.CauseLogout, events.InitiatedByUser, "y")).
		when(c).then(forgotten(c)).ended().expecting(true)
}

// One append holds a thousand facts, and the last of them says that the user is
// forgotten: it never stands before the end of a session.
func TestForgetOfAThousandSessionsTakesTwoAppends(t *testing.T) {
	t.Parallel()
	history := make([]events.Event, events.MaxActiveSessions)
	for i := range history {
		history[i] = loggedIn(fmt.Sprint("till-", i))
	}
	s := given(t, history...).when(forget("x"))
	if !s.decision.More || len(s.decision.Facts) != events.MaxActiveSessions {
		t.Fatalf("the first append has %d facts, more %v", len(s.decision.Facts), s.decision.More)
	}
	s = given(t, slices.Concat(history, s.decision.Facts)...).when(forget("x"))
	if s.decision.More || len(s.decision.Facts) != 1 || len(s.decision.Ended) != events.MaxActiveSessions {
		t.Errorf("the second append has %d facts, more %v, and ended %d", len(s.decision.Facts), s.decision.More, len(s.decision.Ended))
	}
}
