package recorder_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/services/recorder"
)

func TestWhoEndsWhatAndWhy(t *testing.T) {
	t.Parallel()
	cases := []struct {
		about   string
		caller  commands.Caller
		session string
		want    events.Revoked
	}{
		{"one's own", user("ada", "till"), "till", events.Revoked{
			Cause: events.CauseLogout, InitiatingEntity: events.InitiatedByUser,
			Actor:    events.Actor{User: "ada", Session: "till"},
			Personal: events.RevokedPersonal{ActorIP: "192.0.2.1", ReasonAdmin: "a", ReasonUser: "u"},
		}},
		{"another of one's own", user("ada", "till"), "phone", events.Revoked{
			Cause: events.CauseTerminate, InitiatingEntity: events.InitiatedByUser,
			Actor:    events.Actor{User: "ada", Session: "till"},
			Personal: events.RevokedPersonal{ActorIP: "192.0.2.1", ReasonAdmin: "a", ReasonUser: "u"},
		}},
		{"by an admin", admin(), "till", events.Revoked{
			Cause: events.CauseTerminate, InitiatingEntity: events.InitiatedByAdmin,
			Actor:    events.Actor{User: "root", Session: "root-1"},
			Personal: events.RevokedPersonal{ActorIP: "192.0.2.1", ReasonAdmin: "a", ReasonUser: "u"},
		}},
		{"by a backend", backend(), "till", events.Revoked{
			Cause: events.CauseTerminate, InitiatingEntity: events.InitiatedBySystem,
			Personal: events.RevokedPersonal{ReasonAdmin: "a", ReasonUser: "u"},
		}},
	}
	for _, c := range cases {
		s := open(t)
		s.signIn("ada", "till", "phone")
		ended := s.mustEnd(commands.EndSession{Caller: c.caller, Session: c.session, Reasons: commands.Reasons{Admin: "a", User: "u"}})
		if diff := cmp.Diff(commands.Ended{Ended: 1, Position: 3, Sessions: []string{c.session}}, ended); diff != "" {
			t.Errorf("%s: %s", c.about, diff)
		}
		c.want.Key = events.Key{Tenant: "shop", User: "ada", Session: c.session}
		c.want.EventTimestamp = events.TimestampOf(nine)
		c.want.Expires = events.TimestampOf(nine.Add(30 * 24 * time.Hour))
		if diff := cmp.Diff([]events.Revoked{c.want}, s.revoked("ada"), cmpopts.IgnoreFields(events.Revoked{}, "CommandID")); diff != "" {
			t.Errorf("%s: %s", c.about, diff)
		}
	}
}

func TestWhatDoesNotExistForWhom(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.signIn("ada", "till")
	s.signIn("bob", "bob-1")
	foreign := admin()
	foreign.Principal.Tenant = "other"
	for about, c := range map[string]struct {
		caller  commands.Caller
		session string
		want    error
	}{
		"a user, another's":  {user("ada", "till"), "bob-1", commands.ErrNotFound},
		"a user, nobody's":   {user("ada", "till"), "none", commands.ErrNotFound},
		"an admin, nobody's": {admin(), "none", commands.ErrNotFound},
		"a foreign admin":    {foreign, "till", commands.ErrNotFound},
		"a backend":          {backend(), "none", commands.ErrNotFound},
		"an auditor":         {auditor(), "till", commands.ErrForbidden},
		"no id":              {admin(), "", commands.ErrNotFound},
	} {
		_, err := s.EndSession(t.Context(), commands.EndSession{Caller: c.caller, Session: c.session})
		if commands.AsError(err).Reason != commands.AsError(c.want).Reason {
			t.Errorf("%s: %v, want %v", about, err, c.want)
		}
	}
	for about, c := range map[string]struct {
		caller commands.Caller
		user   string
		want   error
	}{
		"a user, another":   {user("ada", "till"), "bob", commands.ErrNotFound},
		"a user, nobody":    {user("ada", "till"), "none", commands.ErrNotFound},
		"an admin, nobody":  {admin(), "none", commands.ErrNotFound},
		"a foreign admin":   {foreign, "ada", commands.ErrNotFound},
		"a backend, nobody": {backend(), "none", commands.ErrNotFound},
		"an auditor":        {auditor(), "ada", commands.ErrForbidden},
		"no id":             {admin(), "", commands.ErrNotFound},
	} {
		_, err := s.EndUser(t.Context(), commands.EndUser{Caller: c.caller, User: c.user})
		if commands.AsError(err).Reason != commands.AsError(c.want).Reason {
			t.Errorf("%s: %v, want %v", about, err, c.want)
		}
	}
	if n := len(s.log.facts); n != 2 {
		t.Errorf("%d facts, want the two logins", n)
	}
}

func TestTheSameIDOfAnotherTenantIsUntouched(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.signIn("ada", "till")
	other := backend()
	other.Principal.Tenant = "other"
	if _, err := s.Login(t.Context(), commands.Login{Caller: other, User: "ada", Session: "till"}); err != nil {
		t.Fatal(err)
	}
	s.mustEnd(commands.EndSession{Caller: admin(), Session: "till"})
	s.mustEndUser(commands.EndUser{Caller: admin(), User: "ada"})
	if n := len(s.log.events("other", "ada")); n != 1 {
		t.Errorf("%d facts in the other tenant, want its login only", n)
	}
}

func TestLogoutOthersAndAll(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.signIn("ada", "a", "b", "c")
	others := s.mustEndUser(commands.EndUser{Caller: user("ada", "b"), User: "ada", Except: "b"})
	if diff := cmp.Diff(commands.Ended{Ended: 2, Position: 5, Sessions: []string{"a", "c"}}, others); diff != "" {
		t.Fatal(diff)
	}
	all := s.mustEndUser(commands.EndUser{Caller: admin(), User: "ada"})
	if diff := cmp.Diff(commands.Ended{Ended: 1, Position: 6, Sessions: []string{"b"}}, all); diff != "" {
		t.Fatal(diff)
	}
	none := s.mustEndUser(commands.EndUser{Caller: admin(), User: "ada"})
	if none.Ended != 0 || none.Position != 6 {
		t.Errorf("nothing was left to end: %+v", none)
	}
	ends := s.revoked("ada")
	if ends[0].CommandID != ends[1].CommandID || ends[0].Cause != events.CauseLogoutOthers || ends[2].Cause != events.CauseLogoutAll {
		t.Errorf("ends are %+v", ends)
	}
	_, err := s.EndUser(t.Context(), commands.EndUser{Caller: admin(), User: "ada", Except: "a"})
	wantError(t, err, commands.ErrNotFound)
}

func TestARepeatedCommandIsAnsweredAsTheFirst(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.signIn("ada", "a", "b")
	c := commands.EndUser{Caller: admin("key"), User: "ada"}
	first := s.mustEndUser(c)
	s.signIn("ada", "c")
	for _, r := range []*recorder.Recorder{s.Recorder, s.another(), s.another(func(c *recorder.Config) { c.Reader = nil })} {
		again, err := r.EndUser(t.Context(), c)
		if diff := cmp.Diff(first, again); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	}
	if s.active("ada") != 1 {
		t.Error("the repetition ended who signed in since")
	}
	one := commands.EndSession{Caller: admin("another"), Session: "c"}
	once, twice := s.mustEnd(one), s.mustEnd(one)
	if diff := cmp.Diff(once, twice); diff != "" || once.Ended != 1 {
		t.Error(once, diff)
	}
	one.Caller.IdempotencyKey = ""
	if later := s.mustEnd(one); later.Ended != 0 || later.Position != once.Position {
		t.Errorf("without the key: %+v, want nothing ended at %d", later, once.Position)
	}
}

func TestACommandWhoseAnswerGotLostIsAnsweredAllTheSame(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.signIn("ada", "a", "b")
	s.log.after = func(n int) error {
		if n == 3 {
			return eventlog.ErrUnavailable
		}
		return nil
	}
	got := s.mustEndUser(commands.EndUser{Caller: admin(), User: "ada"})
	if diff := cmp.Diff(commands.Ended{Ended: 2, Position: 4, Sessions: []string{"a", "b"}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestACallerWhoseSessionEndedIsRefused(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.signIn("ada", "till", "phone")
	s.mustEnd(commands.EndSession{Caller: admin(), Session: "till"})
	_, err := s.EndUser(t.Context(), commands.EndUser{Caller: user("ada", "till"), User: "ada"})
	wantError(t, err, commands.ErrSessionRevoked)
	_, err = s.EndSession(t.Context(), commands.EndSession{Caller: user("ada", "till"), Session: "phone"})
	wantError(t, err, commands.ErrSessionRevoked)
	if s.active("ada") != 1 {
		t.Error("a session ended all the same")
	}
}

func TestAKeptUserThatWasOvertakenIsReadAgain(t *testing.T) {
	t.Parallel()
	s := open(t)
	other := s.another()
	s.signIn("ada", "a")
	s.mustEndUser(commands.EndUser{Caller: admin(), User: "ada"}) // both know ada now
	if _, err := other.EndUser(t.Context(), commands.EndUser{Caller: admin(), User: "ada"}); err != nil {
		t.Fatal(err)
	}
	s.signIn("ada", "b")
	ended, err := other.EndUser(t.Context(), commands.EndUser{Caller: admin(), User: "ada"})
	if err != nil || ended.Ended != 1 {
		t.Fatalf("the kept state had no session, and so was the answer: %+v, %v", ended, err)
	}
	s.signIn("ada", "c")
	if _, err := other.Login(t.Context(), commands.Login{Caller: backend(), User: "ada", Session: "d"}); err != nil {
		t.Fatal(err)
	}
	if ended := s.mustEndUser(commands.EndUser{Caller: admin(), User: "ada"}); ended.Ended != 2 {
		t.Errorf("%+v, want both", ended)
	}
}

func TestConflictsThatDoNotEndAreBusy(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.signIn("ada", "a")
	s.log.before = func(int) error { return eventlog.ErrConflict }
	_, err := s.EndUser(t.Context(), commands.EndUser{Caller: admin(), User: "ada"})
	wantError(t, err, commands.ErrBusy)
	if e := commands.AsError(err); e.RetryAfter == 0 {
		t.Errorf("nobody is told when to try again: %+v", e)
	}
}

func TestASessionThatTheReadModelHasNotSeenYet(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.log.hold()
	s.signIn("ada", "till")
	found := make(chan error, 1)
	go func() {
		_, err := s.EndSession(context.WithoutCancel(t.Context()), commands.EndSession{Caller: admin(), Session: "till"})
		found <- err
	}()
	s.log.release()
	if err := <-found; err != nil {
		t.Error(err)
	}
	s.log.hold()
	s.signIn("ada", "phone")
	lagging := s.another(func(c *recorder.Config) { c.ReadModelWait = time.Millisecond })
	_, err := lagging.EndSession(t.Context(), commands.EndSession{Caller: admin(), Session: "phone"})
	wantError(t, err, commands.ErrUnavailable)
}

func TestAnIDThatSeveralUsersHaveEndsForAll(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.signIn("ada", "till")
	s.signIn("bob", "till")
	ended := s.mustEnd(commands.EndSession{Caller: admin(), Session: "till"})
	if diff := cmp.Diff(commands.Ended{Ended: 2, Position: 4, Sessions: []string{"till"}}, ended); diff != "" {
		t.Error(diff)
	}
}

func TestAnExpiredSessionIsThereButDoesNotEnd(t *testing.T) {
	t.Parallel()
	for _, caller := range []commands.Caller{admin(), backend(), user("ada", "till")} {
		s := open(t)
		s.signIn("ada", "old")
		s.clock.forward(31 * 24 * time.Hour)
		s.signIn("ada", "till")
		for _, r := range []*recorder.Recorder{s.Recorder, s.another()} {
			ended, err := r.EndSession(t.Context(), commands.EndSession{Caller: caller, Session: "old"})
			if err != nil || ended.Ended != 0 || ended.Position != 1 {
				t.Errorf("%+v, %v", ended, err)
			}
		}
	}
}

// A recorder that does not know yet of a session which the command ended before decides
// to end fewer.
func TestALogoutAllIsRepeatedByWayOfARecorderThatKeepsAnOlderState(t *testing.T) {
	t.Parallel()
	s := open(t)
	other := s.another()
	if _, err := other.Login(t.Context(), commands.Login{Caller: backend(), User: "ada", Session: "desk"}); err != nil {
		t.Fatal(err)
	}
	s.signIn("ada", "till")
	command := commands.EndUser{Caller: admin("key"), User: "ada"}
	first := s.mustEndUser(command)
	again, err := other.EndUser(t.Context(), command)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, again); diff != "" || first.Ended != 2 {
		t.Errorf("first it ended %v: %s", first.Sessions, diff)
	}
}
