package session_test

import (
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/session"
)

func TestRefreshMovesTheGeneration(t *testing.T) {
	t.Parallel()
	given(t, loggedIn("till")).when(refresh("till", 0)).then(refreshed("till", 1)).expecting(true)
}

func TestRefreshGivenTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	given(t, loggedIn("till"), refreshed("till", 1)).when(refresh("till", 0)).thenNothing().at(2)
}

func TestAnOldRefreshTokenRevokesTheSession(t *testing.T) {
	t.Parallel()
	c := refresh("till", 0)
	c.ID = "somebody else's"
	given(t, loggedIn("till"), refreshed("till", 1)).
		when(c).
		then(revoked("till", events.CauseRefreshReuse, events.InitiatedBySystem, "refreshing")).
		ended("till").
		andThenRefused(session.ErrReuse)
}

func TestARefreshTokenFromTheFutureRevokesNothing(t *testing.T) {
	t.Parallel()
	given(t, loggedIn("till")).when(refresh("till", 3)).thenRefused(session.ErrGeneration)
}

func TestRefreshOfARevokedSessionIsRefused(t *testing.T) {
	t.Parallel()
	given(t, loggedIn("till"), revoked("till", events.CauseLogout, events.InitiatedByUser, "x")).
		when(refresh("till", 0)).thenRefused(session.ErrRevoked)
}

func TestRefreshOfAnExpiredSessionIsRefused(t *testing.T) {
	t.Parallel()
	c := refresh("till", 0)
	c.Now = nine.Add(session.DefaultLifetime)
	given(t, loggedIn("till")).when(c).thenRefused(session.ErrExpired)
}

func TestRefreshOfAnUnknownSessionIsRefused(t *testing.T) {
	t.Parallel()
	given(t, loggedIn("till")).when(refresh("phone", 0)).thenRefused(session.ErrNotFound)
}

func TestRefreshAfterTheIdleTimeoutRevokesTheSession(t *testing.T) {
	t.Parallel()
	c := refresh("till", 0)
	c.Policy.IdleTimeout = time.Hour
	given(t, loggedIn("till")).
		when(c).
		then(revoked("till", events.CauseIdle, events.InitiatedByPolicy, "refreshing")).
		andThenRefused(session.ErrIdle)
}

func TestATouchKeepsASessionFromBeingIdle(t *testing.T) {
	t.Parallel()
	c := refresh("till", 0)
	c.Policy.IdleTimeout = time.Hour
	c.LastSeen = nine.Add(time.Millisecond)
	given(t, loggedIn("till")).when(c).then(refreshed("till", 1))
}

func TestAForeignTokenHasNoGenerationToCheck(t *testing.T) {
	t.Parallel()
	c := refresh("till", 0)
	c.ID = "the backend's second"
	c.Foreign = true
	given(t, loggedIn("till"), refreshed("till", 1)).when(c).then(refreshed("till", 2))
}

func TestRefreshMayNotOutliveThePolicy(t *testing.T) {
	t.Parallel()
	c := refresh("till", 0)
	c.Expires = nine.Add(session.DefaultLifetime + time.Millisecond)
	given(t, loggedIn("till")).when(c).thenRefused(session.ErrLifetime)
}

func TestRefreshNeverShortensASession(t *testing.T) {
	t.Parallel()
	c := refresh("till", 0)
	c.Expires = ten
	given(t, loggedIn("till")).when(c).then(refreshed("till", 1))
}

func TestRefreshNamesTheUserAgentOnlyIfItChanged(t *testing.T) {
	t.Parallel()
	before := loggedIn("till")
	before.Personal.UserAgent = "old"
	same, other := refresh("till", 0), refresh("till", 1)
	same.Personal.UserAgent, other.Personal.UserAgent = "old", "new"
	after := refreshed("till", 2)
	after.Personal.UserAgent = "new"
	given(t, before).when(same).then(refreshed("till", 1)).when(other).then(after)
}
