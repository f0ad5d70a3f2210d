package session_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/session"
)

func TestEvolveDoesNotChangeTheStateItWasGiven(t *testing.T) {
	t.Parallel()
	before := fold(session.State{}, loggedIn("till"))
	fold(before, revoked("till", events.CauseLogout, events.InitiatedByUser, "x"), loggedIn("phone"))
	if x, _ := before.Session("till"); x.End != nil || before.Len() != 1 || before.LastSequence != 1 {
		t.Errorf("the state changed: %+v", before)
	}
}

func TestEvolveSkipsWhatItHas(t *testing.T) {
	t.Parallel()
	once := fold(session.State{}, loggedIn("till"), refreshed("till", 1))
	again := session.Evolve(once, session.Fact{ID: "other", Sequence: 1, Event: revoked("till", events.CauseLogout, events.InitiatedByUser, "x")})
	if diff := cmp.Diff(once, again, cmp.AllowUnexported(session.State{})); diff != "" {
		t.Error(diff)
	}
}

func TestEvolveKeepsThePlaceOfFactsItDoesNotKnow(t *testing.T) {
	t.Parallel()
	s := fold(session.State{}, loggedIn("till"), events.Unknown{Key: key("till"), Type: "session.renamed", Version: 1})
	if s.LastSequence != 2 || s.Len() != 1 {
		t.Errorf("last sequence %d with %d sessions, want 2 with 1", s.LastSequence, s.Len())
	}
}

func TestWithoutForgetsWhatExpired(t *testing.T) {
	t.Parallel()
	short := loggedIn("short")
	short.Expires = events.TimestampOf(ten)
	before := fold(session.State{}, short, loggedIn("long"))
	after := before.Without(ten)
	if before.Len() != 2 || after.Len() != 1 || after.LastSequence != 2 {
		t.Errorf("%d sessions before and %d after at %d, want 2 and 1 at 2", before.Len(), after.Len(), after.LastSequence)
	}
}

func TestWithPrefersTheFacts(t *testing.T) {
	t.Parallel()
	s := session.NewState(7, session.Session{ID: "till", LoginSequence: 3, Expires: ten})
	s = s.With(session.Session{ID: "till", LoginSequence: 1}).With(session.Session{ID: "phone", LoginSequence: 2})
	x, _ := s.Session("till")
	if x.LoginSequence != 3 || s.Len() != 2 || s.LastSequence != 7 {
		t.Errorf("unexpected state %+v", s)
	}
	if active := s.Active(ten.Add(-time.Second)); len(active) != 1 || active[0].ID != "till" {
		t.Errorf("active: %+v", active)
	}
}

func TestAStateThatLacksALoginIsNotComplete(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		history  []events.Event
		complete bool
	}{
		{nil, true},
		{[]events.Event{loggedIn("till"), refreshed("till", 1)}, true},
		{[]events.Event{refreshed("till", 1)}, false},
		{[]events.Event{revoked("till", events.CauseLogout, events.InitiatedByUser, "x")}, false},
	} {
		if got := fold(session.State{}, c.history...).Complete(); got != c.complete {
			t.Errorf("%v: complete is %v", c.history, got)
		}
	}
}
