package recorder_test

import (
	"errors"
	"testing"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/eventlog"
)

func (s *shop) forget(c commands.Caller, user string) (commands.Ended, error) {
	s.t.Helper()
	return s.ForgetUser(s.t.Context(), commands.ForgetUser{Caller: c, User: user})
}

// forgotten returns what a user's history says about forgetting.
func (s *shop) forgotten(name string) []events.Forgotten {
	var found []events.Forgotten
	for _, e := range s.log.events("shop", name) {
		if f, ok := e.(events.Forgotten); ok {
			found = append(found, f)
		}
	}
	return found
}

func TestForgettingEndsTheSessionsAndDestroysTheKeys(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.signIn("ada", "till", "phone")
	s.signIn("bob", "till-2")
	s.log.keys = []string{"2026q1-a"}
	ended, err := s.forget(admin(), "ada")
	if err != nil || ended.Ended != 2 || len(ended.Sessions) != 2 || ended.Position != 6 {
		t.Fatalf("answered %+v, %v", ended, err)
	}
	facts := s.forgotten("ada")
	if len(s.revoked("ada")) != 2 || len(facts) != 1 || len(facts[0].Keys) != 1 || facts[0].Actor.User != "root" {
		t.Fatalf("the history says %+v", facts)
	}
	if len(s.log.destroyed) != 1 || s.log.destroyed[0].CommandID != facts[0].CommandID {
		t.Errorf("destroyed %+v", s.log.destroyed)
	}
	if len(s.revoked("bob")) != 0 {
		t.Error("another user was signed out")
	}
}

func TestOnlyAdministratorsHavePeopleForgotten(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.signIn("ada", "till")
	foreign := admin()
	foreign.Principal.Tenant = "other"
	for about, c := range map[string]struct {
		caller commands.Caller
		user   string
		want   error
	}{
		"a user, themself": {user("ada", "till"), "ada", commands.ErrForbidden},
		"a user, another":  {user("bob", "till-2"), "ada", commands.ErrForbidden},
		"a backend":        {backend(), "ada", commands.ErrForbidden},
		"an auditor":       {auditor(), "ada", commands.ErrForbidden},
		"a foreign admin":  {foreign, "ada", commands.ErrNotFound},
		"an admin, nobody": {admin(), "none", commands.ErrNotFound},
		"no id":            {admin(), "", commands.ErrNotFound},
	} {
		if _, err := s.forget(c.caller, c.user); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", about, err, c.want)
		}
	}
	if len(s.log.facts) != 1 || len(s.log.destroyed) != 0 {
		t.Errorf("%d facts and %d destroyed, want the login only", len(s.log.facts), len(s.log.destroyed))
	}
}

// Who came back between two tries of one command is not forgotten by the second.
func TestForgettingIsRepeatedWithoutASecondEffect(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.signIn("ada", "till")
	s.log.destroying = eventlog.ErrUnavailable
	if _, err := s.forget(admin("key"), "ada"); !errors.Is(err, commands.ErrUnavailable) {
		t.Fatalf("with keys that cannot be destroyed: %v, want unavailable", err)
	}
	s.signIn("ada", "new")
	s.log.destroying = nil
	ended, err := s.forget(admin("key"), "ada")
	if err != nil || ended.Position != 3 {
		t.Fatalf("again: %+v, %v", ended, err)
	}
	if len(s.forgotten("ada")) != 1 || len(s.revoked("ada")) != 1 || len(s.log.destroyed) != 1 {
		t.Errorf("the history says %v, destroyed %v", s.log.events("shop", "ada"), s.log.destroyed)
	}
}
