package session_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/session"
)

// A story reads: given facts, when a command, then facts or a refusal.
type story struct {
	t        *testing.T
	state    session.State
	decision session.Decision
	err      error
}

var (
	nine = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	ten  = nine.Add(time.Hour)
)

func given(t *testing.T, history ...events.Event) *story {
	t.Helper()
	return &story{t: t, state: fold(session.State{}, history...)}
}

// fold gives each event the next sequence, and as its id what it is about.
func fold(s session.State, history ...events.Event) session.State {
	for _, e := range history {
		s = session.Evolve(s, session.Fact{ID: factID(e), Sequence: s.LastSequence + 1, Event: e})
	}
	return s
}

func factID(e events.Event) string {
	if r, ok := e.(events.Refreshed); ok {
		return fmt.Sprintf("refresh-%s-%d", r.Session, r.Generation)
	}
	return "login-" + e.SessionKey().Session
}

func (s *story) when(c session.Command) *story {
	s.t.Helper()
	s.decision, s.err = session.Decide(s.state, c)
	return s
}

func (s *story) then(facts ...events.Event) *story {
	s.t.Helper()
	if s.err != nil {
		s.t.Fatalf("refused: %v", s.err)
	}
	if diff := cmp.Diff(facts, s.decision.Facts); diff != "" {
		s.t.Fatalf("facts (-want +got):\n%s", diff)
	}
	s.state = fold(s.state, s.decision.Facts...)
	return s
}

func (s *story) thenNothing() *story { s.t.Helper(); return s.then() }

func (s *story) thenRefused(why error) {
	s.t.Helper()
	if !errors.Is(s.err, why) {
		s.t.Fatalf("error is %v, want %v", s.err, why)
	}
}

func (s *story) andThenRefused(why error) {
	s.t.Helper()
	if !errors.Is(s.decision.Refusal, why) {
		s.t.Fatalf("refusal is %v, want %v", s.decision.Refusal, why)
	}
}

func (s *story) ended(ids ...string) *story {
	s.t.Helper()
	if diff := cmp.Diff(ids, s.decision.Ended, cmpopts.EquateEmpty()); diff != "" {
		s.t.Fatalf("ended (-want +got):\n%s", diff)
	}
	return s
}

func (s *story) at(position uint64) *story {
	s.t.Helper()
	if s.decision.Position != position {
		s.t.Fatalf("position is %d, want %d", s.decision.Position, position)
	}
	return s
}

func (s *story) expecting(want bool) *story {
	s.t.Helper()
	if s.decision.NeedsExpectation != want {
		s.t.Fatalf("NeedsExpectation is %v, want %v", s.decision.NeedsExpectation, want)
	}
	return s
}

func key(id string) events.Key {
	return events.Key{Tenant: "shop", User: "ada", Session: id}
}

func loggedIn(id string) events.LoggedIn {
	return events.LoggedIn{
		Key:            key(id),
		EventTimestamp: events.TimestampOf(nine),
		Created:        events.TimestampOf(nine),
		Expires:        events.TimestampOf(nine.Add(session.DefaultLifetime)),
	}
}

func refreshed(id string, generation uint64) events.Refreshed {
	return events.Refreshed{
		Key:            key(id),
		EventTimestamp: events.TimestampOf(ten),
		Expires:        events.TimestampOf(nine.Add(session.DefaultLifetime)),
		Generation:     generation,
	}
}

func revoked(id string, cause events.Cause, by events.InitiatingEntity, command string) events.Revoked {
	return events.Revoked{
		Key:              key(id),
		EventTimestamp:   events.TimestampOf(ten),
		Cause:            cause,
		InitiatingEntity: by,
		Expires:          events.TimestampOf(nine.Add(session.DefaultLifetime)),
		CommandID:        command,
	}
}

func login(id string) session.Login {
	return session.Login{Key: key(id), ID: "login-" + id, Now: nine, CommandID: "cap-" + id}
}

func refresh(id string, generation uint64) session.Refresh {
	return session.Refresh{
		Key: key(id), ID: fmt.Sprintf("refresh-%s-%d", id, generation+1), Now: ten,
		Generation: generation, CommandID: "refreshing",
	}
}

func ending(command string) session.Ending {
	return session.Ending{Tenant: "shop", User: "ada", Now: ten, CommandID: command, By: events.InitiatedByAdmin}
}

func terminate(id, command string) session.EndOne {
	return session.EndOne{Ending: ending(command), Session: id}
}

func logoutAll(command string) session.EndAll { return session.EndAll{Ending: ending(command)} }

func logoutOthers(keep, command string) session.EndOthers {
	return session.EndOthers{Ending: ending(command), Keep: keep}
}
