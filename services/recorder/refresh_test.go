package recorder_test

import (
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/services/recorder"
)

func idleAfter(d time.Duration) func(*recorder.Config) {
	return func(c *recorder.Config) { c.Policies.Default.IdleTimeout = d }
}

func (s *shop) mint(name string) *commands.Tokens {
	s.t.Helper()
	done, err := s.Login(s.t.Context(), commands.Login{Caller: backend(), User: name, Session: name + "-1", Roles: []string{"cashier"}})
	if err != nil || done.Tokens == nil {
		s.t.Fatalf("%+v, %v", done, err)
	}
	return done.Tokens
}

func TestRefreshRotates(t *testing.T) {
	t.Parallel()
	s := openMinting(t)
	tokens := s.mint("ada")
	for generation := range uint64(3) {
		s.clock.forward(time.Minute)
		done, err := s.Refresh(t.Context(), commands.Refresh{Token: tokens.Refresh, IP: "198.51.100.7"})
		if err != nil || done.Generation != generation+1 || done.Tokens == nil || done.Tokens.Refresh == tokens.Refresh {
			t.Fatalf("refresh %d: %+v, %v", generation, done, err)
		}
		tokens = done.Tokens
	}
}

func TestARefreshTokenThatComesBackEndsTheSession(t *testing.T) {
	t.Parallel()
	s := openMinting(t)
	old := s.mint("ada")
	renewed, err := s.Refresh(t.Context(), commands.Refresh{Token: old.Refresh})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Refresh(t.Context(), commands.Refresh{Token: old.Refresh, IP: "203.0.113.1"})
	wantError(t, err, commands.ErrRefreshReused)
	ends := s.revoked("ada")
	if len(ends) != 1 || ends[0].Cause != events.CauseRefreshReuse || ends[0].Personal.ActorIP != "203.0.113.1" {
		t.Fatalf("ends are %+v", ends)
	}
	_, err = s.Refresh(t.Context(), commands.Refresh{Token: renewed.Tokens.Refresh})
	wantError(t, err, commands.ErrSessionEnded)
	_, err = s.Refresh(t.Context(), commands.Refresh{Token: old.Refresh})
	wantError(t, err, commands.ErrSessionEnded)
}

func TestARefreshThatRacesAnotherIsReuse(t *testing.T) {
	t.Parallel()
	s := openMinting(t)
	tokens := s.mint("ada")
	results := make(chan error, 2)
	for _, r := range []*recorder.Recorder{s.Recorder, s.Recorder} {
		go func() {
			_, err := r.Refresh(t.Context(), commands.Refresh{Token: tokens.Refresh})
			results <- err
		}()
	}
	first, second := <-results, <-results
	if (first == nil) == (second == nil) {
		t.Errorf("both ended with %v and %v", first, second)
	}
}

func TestARefreshWhoseAnswerGotLostIsNotReuse(t *testing.T) {
	t.Parallel()
	s := openMinting(t)
	tokens := s.mint("ada")
	s.log.after = func(n int) error {
		if n == 2 {
			return eventlog.ErrUnavailable
		}
		return nil
	}
	done, err := s.Refresh(t.Context(), commands.Refresh{Token: tokens.Refresh})
	if err != nil || done.Generation != 1 || done.Position != 2 || len(s.revoked("ada")) != 0 {
		t.Errorf("%+v, %v", done, err)
	}
}

func TestRefreshTokensThatAreNotOurs(t *testing.T) {
	t.Parallel()
	s := openMinting(t)
	other := openMinting(t)
	for _, bad := range []string{"", "x", s.mint("ada").Access, other.mint("ada").Refresh} {
		_, err := s.Refresh(t.Context(), commands.Refresh{Token: bad})
		wantError(t, err, commands.ErrInvalidGrant)
	}
	_, err := open(t).Refresh(t.Context(), commands.Refresh{Token: "x"})
	wantError(t, err, commands.ErrInvalidGrant)
}

func TestARefreshTokenExpiresWithItsSession(t *testing.T) {
	t.Parallel()
	s := openMinting(t)
	tokens := s.mint("ada")
	s.clock.forward(31 * 24 * time.Hour)
	_, err := s.Refresh(t.Context(), commands.Refresh{Token: tokens.Refresh})
	wantError(t, err, commands.ErrSessionExpired)
}

func TestIdleSessionsAreNotRefreshed(t *testing.T) {
	t.Parallel()
	s := openMinting(t, idleAfter(time.Hour))
	tokens := s.mint("ada")
	s.clock.forward(50 * time.Minute)
	touch := commands.Touches{Caller: backend(), Touches: []commands.Touch{{User: "ada", Session: "ada-1"}}}
	if err := s.Touch(t.Context(), touch); err != nil {
		t.Fatal(err)
	}
	s.clock.forward(50 * time.Minute)
	done, err := s.Refresh(t.Context(), commands.Refresh{Token: tokens.Refresh})
	if err != nil {
		t.Fatalf("the touch did not count: %v", err)
	}
	s.clock.forward(time.Hour)
	_, err = s.Refresh(t.Context(), commands.Refresh{Token: done.Tokens.Refresh})
	wantError(t, err, commands.ErrSessionEnded)
	if ends := s.revoked("ada"); len(ends) != 1 || ends[0].Cause != events.CauseIdle {
		t.Errorf("ends are %+v", ends)
	}
}

func TestARepeatedLoginGetsTokensUntilTheyWereRefreshed(t *testing.T) {
	t.Parallel()
	s := openMinting(t)
	first := s.mint("ada")
	again := s.mint("ada")
	if _, err := s.Refresh(t.Context(), commands.Refresh{Token: again.Refresh}); err != nil {
		t.Fatal(err)
	}
	done, err := s.Login(t.Context(), commands.Login{Caller: backend(), User: "ada", Session: "ada-1", Roles: []string{"cashier"}})
	if err != nil || done.Tokens != nil {
		t.Errorf("%+v, %v", done, err)
	}
	if first.Refresh == again.Refresh {
		t.Error("two answers hold the same token")
	}
}

func TestBackendsRecordRefreshes(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.signIn("ada", "till")
	c := commands.RecordRefresh{
		Caller: backend("key"), User: "ada", Session: "till", Expires: nine.Add(29 * 24 * time.Hour),
		IP: "198.51.100.7", UserAgent: "new",
	}
	first, err := s.RecordRefresh(t.Context(), c)
	if err != nil || first.Generation != 1 || first.Position != 2 {
		t.Fatalf("%+v, %v", first, err)
	}
	again, err := s.another(func(c *recorder.Config) { c.Reader = nil }).RecordRefresh(t.Context(), c)
	if err != nil || again != first {
		t.Errorf("%+v, %v; want %+v", again, err, first)
	}
	c.Caller = backend()
	c.Expires = nine.Add(31 * 24 * time.Hour)
	_, err = s.RecordRefresh(t.Context(), c)
	wantError(t, err, commands.ErrInvalid)
	c.Session = "phone"
	_, err = s.RecordRefresh(t.Context(), c)
	wantError(t, err, commands.ErrNotFound)
	s.mustEnd(commands.EndSession{Caller: admin(), Session: "till"})
	c.Session, c.Expires = "till", time.Time{}
	_, err = s.RecordRefresh(t.Context(), c)
	wantError(t, err, commands.ErrSessionEnded)
}
