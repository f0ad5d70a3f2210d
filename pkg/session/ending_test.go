package session_test

import (
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/session"
)

func TestTerminateEndsOneSession(t *testing.T) {
	t.Parallel()
	given(t, loggedIn("till"), loggedIn("phone")).
		when(terminate("till", "x")).
		then(revoked("till", events.CauseTerminate, events.InitiatedByAdmin, "x")).
		ended("till").expecting(true)
}

func TestTerminateGivenTwiceAnswersTheSame(t *testing.T) {
	t.Parallel()
	given(t, loggedIn("till"), revoked("till", events.CauseTerminate, events.InitiatedByAdmin, "x")).
		when(terminate("till", "x")).thenNothing().ended("till").at(2)
}

func TestTerminateOfASessionThatSomebodyElseEndedEndsNothing(t *testing.T) {
	t.Parallel()
	given(t, loggedIn("till"), revoked("till", events.CauseLogout, events.InitiatedByUser, "x"), loggedIn("phone")).
		when(terminate("till", "y")).thenNothing().ended().at(2)
}

func TestTerminateOfAnExpiredSessionEndsNothing(t *testing.T) {
	t.Parallel()
	c := terminate("till", "x")
	c.Now = nine.Add(session.DefaultLifetime)
	given(t, loggedIn("till")).when(c).thenNothing().ended()
}

func TestTerminateOfAnUnknownSessionIsRefused(t *testing.T) {
	t.Parallel()
	given(t, loggedIn("till")).when(terminate("phone", "x")).thenRefused(session.ErrNotFound)
}

func TestLogoutAllEndsEverySession(t *testing.T) {
	t.Parallel()
	given(t, loggedIn("till"), loggedIn("phone")).
		when(logoutAll("x")).
		then(
			revoked("till", events.CauseLogoutAll, events.InitiatedByAdmin, "x"),
			revoked("phone", events.CauseLogoutAll, events.InitiatedByAdmin, "x"),
		).
		ended("till", "phone").expecting(true)
}

func TestLogoutAllGivenTwiceSparesWhoSignedInSince(t *testing.T) {
	t.Parallel()
	given(t, loggedIn("till"), revoked("till", events.CauseLogoutAll, events.InitiatedByAdmin, "x"), loggedIn("phone")).
		when(logoutAll("x")).thenNothing().ended("till").at(2)
}

func TestLogoutAllOfNobodyEndsNothing(t *testing.T) {
	t.Parallel()
	given(t).when(logoutAll("x")).thenNothing().ended()
}

func TestLogoutAllOfMoreThanABatchHoldsGoesInSteps(t *testing.T) {
	t.Parallel()
	s := given(t)
	var history []events.Event
	for i := range events.MaxActiveSessions + 1 {
		history = append(history, loggedIn(time.Duration(i).String()))
	}
	s.state = fold(s.state, history...)
	s.when(logoutAll("x"))
	if !s.decision.More || len(s.decision.Facts) != events.MaxActiveSessions {
		t.Fatalf("%d facts and More %v, want a full batch and more", len(s.decision.Facts), s.decision.More)
	}
	s.state = fold(s.state, s.decision.Facts...)
	s.when(logoutAll("x"))
	if s.decision.More || len(s.decision.Facts) != 1 || len(s.decision.Ended) != events.MaxActiveSessions+1 {
		t.Errorf("%d facts, %d ended, More %v; want the last one of all", len(s.decision.Facts), len(s.decision.Ended), s.decision.More)
	}
}

func TestLogoutOthersLeavesOne(t *testing.T) {
	t.Parallel()
	given(t, loggedIn("till"), loggedIn("phone")).
		when(logoutOthers("till", "x")).
		then(revoked("phone", events.CauseLogoutOthers, events.InitiatedByAdmin, "x")).
		ended("phone")
}

func TestLogoutOthersThanASessionThatIsNotThereIsRefused(t *testing.T) {
	t.Parallel()
	given(t, loggedIn("till")).when(logoutOthers("tilll", "x")).thenRefused(session.ErrNotFound)
}

func TestLogoutOthersGivenTwiceAnswersTheSameAfterTheKeptOneEnded(t *testing.T) {
	t.Parallel()
	given(t, loggedIn("till"), loggedIn("phone"),
		revoked("phone", events.CauseLogoutOthers, events.InitiatedByAdmin, "x"),
		revoked("till", events.CauseLogout, events.InitiatedByUser, "y")).
		when(logoutOthers("till", "x")).thenNothing().ended("phone").at(3)
}

func idle(id string, seen time.Time) session.EndIdle {
	e := ending("x")
	e.By = events.InitiatedByPolicy
	return session.EndIdle{Ending: e, Session: id, LastSeen: seen, Timeout: time.Hour}
}

func TestAnIdleSessionIsEnded(t *testing.T) {
	t.Parallel()
	given(t, loggedIn("till")).when(idle("till", time.Time{})).
		then(revoked("till", events.CauseIdle, events.InitiatedByPolicy, "x")).ended("till")
}

func TestASessionThatWasTouchedIsNotIdle(t *testing.T) {
	t.Parallel()
	given(t, loggedIn("till")).when(idle("till", ten)).thenNothing().ended()
}

func TestAnEndedSessionIsNotIdle(t *testing.T) {
	t.Parallel()
	given(t, loggedIn("till"), revoked("till", events.CauseLogout, events.InitiatedByUser, "y")).
		when(idle("till", time.Time{})).thenNothing()
}
