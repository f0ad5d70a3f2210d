package session_test

import (
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/session"
)

func TestLoginOfANewUserIsAFact(t *testing.T) {
	t.Parallel()
	given(t).when(login("till")).then(loggedIn("till")).expecting(true)
}

func TestLoginUnderAnIDMadeForItReliesOnNothing(t *testing.T) {
	t.Parallel()
	c := login("till")
	c.FreshID = true
	given(t, loggedIn("phone")).when(c).then(loggedIn("till")).expecting(false)
}

func TestLoginGivenTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	given(t, loggedIn("phone"), loggedIn("till")).when(login("till")).thenNothing().at(2)
}

func TestAnotherLoginWithAKnownIDIsRefused(t *testing.T) {
	t.Parallel()
	c := login("till")
	c.ID = "another"
	given(t, loggedIn("till")).when(c).thenRefused(session.ErrExists)
}

func TestLoginWithTheIDOfARevokedSessionIsRefused(t *testing.T) {
	t.Parallel()
	given(t, loggedIn("till"), revoked("till", events.CauseTerminate, events.InitiatedByAdmin, "x")).
		when(login("till")).thenRefused(session.ErrRevoked)
}

func TestLoginWithTheIDOfARevocationWithoutLoginIsRefused(t *testing.T) {
	t.Parallel()
	given(t, revoked("till", events.CauseTerminate, events.InitiatedByAdmin, "x")).
		when(login("till")).thenRefused(session.ErrRevoked)
}

func TestLoginMayNotOutliveThePolicy(t *testing.T) {
	t.Parallel()
	c := login("till")
	c.Policy.AbsoluteLifetime = time.Hour
	c.Expires = nine.Add(time.Hour + time.Millisecond)
	given(t).when(c).thenRefused(session.ErrLifetime)
}

func TestLoginMayNotEndBeforeItBegins(t *testing.T) {
	t.Parallel()
	c := login("till")
	c.Expires = nine
	given(t).when(c).thenRefused(session.ErrLifetime)
}

func TestLoginOverTheCapEndsTheOldestInTheSameBatch(t *testing.T) {
	t.Parallel()
	c := login("till")
	c.Policy.MaxSessions = 2
	first := revoked("a", events.CauseCap, events.InitiatedByPolicy, "cap-till")
	second := revoked("b", events.CauseCap, events.InitiatedByPolicy, "cap-till")
	first.EventTimestamp, second.EventTimestamp = events.TimestampOf(nine), events.TimestampOf(nine)
	given(t, loggedIn("a"), loggedIn("b"), loggedIn("c")).
		when(c).then(first, second, loggedIn("till")).ended("a", "b").expecting(true)
}

func TestLoginUnderTheCapEndsNobody(t *testing.T) {
	t.Parallel()
	c := login("till")
	c.FreshID = true
	c.Policy.MaxSessions = 2
	given(t, loggedIn("a")).when(c).then(loggedIn("till")).expecting(true)
}

func TestNobodyHasMoreSessionsThanABatchCanEnd(t *testing.T) {
	t.Parallel()
	history := make([]events.Event, events.MaxActiveSessions)
	for i := range history {
		history[i] = loggedIn(string(rune('a'+i/26/26)) + string(rune('a'+i/26%26)) + string(rune('a'+i%26)))
	}
	c := login("till")
	c.FreshID = true
	oldest := revoked("aaa", events.CauseCap, events.InitiatedByPolicy, "cap-till")
	oldest.EventTimestamp = events.TimestampOf(nine)
	s := given(t, history...)
	s.when(c).then(oldest, loggedIn("till")).expecting(true)
	if active := len(s.state.Active(nine)); active != events.MaxActiveSessions {
		t.Errorf("%d sessions are active, want %d", active, events.MaxActiveSessions)
	}
}

func TestACapThatWasLoweredIsReachedInSteps(t *testing.T) {
	t.Parallel()
	s := given(t)
	for i := range events.MaxActiveSessions {
		s.state = fold(s.state, loggedIn(time.Duration(i).String()))
	}
	c := login("till")
	c.Policy.MaxSessions = 1
	s.when(c)
	if !s.decision.More || len(s.decision.Facts) != events.MaxActiveSessions {
		t.Fatalf("%d facts and More %v, want a full batch and more", len(s.decision.Facts), s.decision.More)
	}
	s.state = fold(s.state, s.decision.Facts...)
	s.when(c).then(loggedIn("till"))
	if len(s.decision.Ended) != events.MaxActiveSessions {
		t.Errorf("%d ended, want all of the others", len(s.decision.Ended))
	}
}
