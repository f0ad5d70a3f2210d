package recorder_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/session"
	"github.com/posse-pos/posse/services/recorder"
)

func capped(n int) func(*recorder.Config) {
	return func(c *recorder.Config) { c.Policies.Default.MaxSessions = n }
}

func TestLoginIsAFactWithEverythingInIt(t *testing.T) {
	t.Parallel()
	s := open(t)
	personal := events.LoginPersonal{
		Username: "ada", DisplayName: "Ada", AvatarURL: "https://pos.example/a.png", DeviceLabel: "Till 3",
		UserAgent: "WCPOS/1.8.1 (ios; build 231)", ClientHints: map[string]string{"Sec-CH-UA-Platform": "iOS"}, IP: "198.51.100.7",
	}
	done, err := s.Login(t.Context(), commands.Login{
		Caller: backend(), User: "ada", Platform: "ios", AppVersion: "1.8.1", Build: "231", Personal: personal,
		Created: nine.Add(-time.Hour + 1500*time.Nanosecond), Expires: nine.Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := events.LoggedIn{
		Key:            events.Key{Tenant: "shop", User: "ada", Session: done.Session},
		EventTimestamp: events.TimestampOf(nine), Created: events.TimestampOf(nine.Add(-time.Hour)), Expires: events.TimestampOf(nine.Add(time.Hour)),
		Platform: "ios", AppVersion: "1.8.1", Build: "231", Personal: personal,
	}
	if diff := cmp.Diff([]events.Event{want}, s.log.events("shop", "ada")); diff != "" {
		t.Fatal(diff)
	}
	if done.Position != 1 || done.Tenant != "shop" || done.User != "ada" || !done.Expires.Equal(nine.Add(time.Hour)) || done.Tokens != nil {
		t.Errorf("answer is %+v", done)
	}
}

func TestLoginWithItsOwnIDIsIdempotent(t *testing.T) {
	t.Parallel()
	s := open(t)
	login := commands.Login{Caller: backend(), User: "ada", Session: "till"}
	first, err := s.Login(t.Context(), login)
	if err != nil {
		t.Fatal(err)
	}
	s.clock.forward(time.Minute)
	for _, r := range []*recorder.Recorder{s.Recorder, s.another(), s.another(func(c *recorder.Config) { c.Reader = nil })} {
		again, err := r.Login(t.Context(), login)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, again); diff != "" {
			t.Error(diff)
		}
	}
	login.Platform = "ios"
	_, err = s.Login(t.Context(), login)
	wantError(t, err, commands.ErrSessionExists)
	if n := len(s.log.events("shop", "ada")); n != 1 {
		t.Errorf("%d facts, want 1", n)
	}
}

// A recorder that still keeps what it knew of the user before appends what it decided
// for itself, and finds that somebody else's decision stands under the same id.
func TestALoginIsRepeatedByWayOfARecorderThatKeepsAnOlderState(t *testing.T) {
	t.Parallel()
	s := openMinting(t)
	other := s.another(minting(t, s.clock))
	if _, err := other.Login(t.Context(), commands.Login{Caller: backend(), User: "ada", Session: "desk"}); err != nil {
		t.Fatal(err)
	}
	s.log.hold() // the read model, which would tell
	login := commands.Login{Caller: backend(), User: "ada", Session: "till"}
	first, err := s.Login(t.Context(), login)
	if err != nil {
		t.Fatal(err)
	}
	s.clock.forward(time.Minute)
	again, err := other.Login(t.Context(), login)
	if err != nil {
		t.Fatal(err)
	}
	first.Tokens, again.Tokens = nil, nil // each time others, and of the session
	if diff := cmp.Diff(first, again); diff != "" {
		t.Error(diff)
	}
}

func TestLoginWithAnIdempotencyKeyMakesOneSession(t *testing.T) {
	t.Parallel()
	s := open(t)
	first, err := s.Login(t.Context(), commands.Login{Caller: backend("key"), User: "ada"})
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.another().Login(t.Context(), commands.Login{Caller: backend("key"), User: "ada"})
	if err != nil || again.Session != first.Session || again.Position != first.Position {
		t.Fatalf("%+v and then %+v, %v", first, again, err)
	}
	_, err = s.Login(t.Context(), commands.Login{Caller: backend("key"), User: "ada", Platform: "ios"})
	wantError(t, err, commands.ErrIdempotencyReused)
	other, err := s.Login(t.Context(), commands.Login{Caller: backend("other"), User: "ada"})
	if err != nil || other.Session == first.Session {
		t.Errorf("another key: %+v, %v", other, err)
	}
}

func TestTheIDOfARevokedSessionIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.signIn("ada", "till")
	s.mustEnd(commands.EndSession{Caller: admin(), Session: "till"})
	_, err := s.Login(t.Context(), commands.Login{Caller: backend(), User: "ada", Session: "till"})
	wantError(t, err, commands.ErrSessionEnded)
	// The gateways would refuse it for anybody.
	_, err = s.Login(t.Context(), commands.Login{Caller: backend(), User: "bob", Session: "till"})
	wantError(t, err, commands.ErrSessionEnded)
}

func TestTheIDOfAnExpiredSessionIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.signIn("ada", "till")
	s.clock.forward(session.DefaultLifetime + time.Hour)
	_, err := s.another().Login(t.Context(), commands.Login{Caller: backend(), User: "ada", Session: "till", Platform: "ios"})
	wantError(t, err, commands.ErrSessionExists)
}

func TestTheCapEndsTheOldest(t *testing.T) {
	t.Parallel()
	s := open(t, capped(2))
	s.signIn("ada", "a", "b")
	done, err := s.Login(t.Context(), commands.Login{Caller: backend(), User: "ada"})
	if err != nil || done.Ended != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	ends := s.revoked("ada")
	if len(ends) != 1 || ends[0].Session != "a" || ends[0].Cause != events.CauseCap || ends[0].InitiatingEntity != events.InitiatedByPolicy {
		t.Errorf("ends are %+v", ends)
	}
	if s.log.appends != 3 {
		t.Errorf("%d appends, want 3: the end is in the login's batch", s.log.appends)
	}
}

func TestAPlainLoginReadsAndExpectsNothing(t *testing.T) {
	t.Parallel()
	s := open(t)
	if err := s.log.store.Current(t.Context(), events.StreamSessions, nine); err != nil {
		t.Fatal(err)
	}
	conflicts := 0
	s.log.before = func(int) error { conflicts++; return nil }
	for range 3 {
		if _, err := s.Login(t.Context(), commands.Login{Caller: backend(), User: "ada"}); err != nil {
			t.Fatal(err)
		}
	}
	if s.log.reads != 0 || s.log.appends != 3 {
		t.Errorf("%d reads and %d appends, want 0 and 3", s.log.reads, s.log.appends)
	}
}

func TestALoginWhoseAnswerGotLostIsOneLogin(t *testing.T) {
	t.Parallel()
	for _, login := range []commands.Login{
		{Caller: backend(), User: "ada"},
		{Caller: backend(), User: "ada", Session: "till"},
	} {
		s := open(t)
		s.log.after = func(n int) error {
			if n == 1 {
				return eventlog.ErrUnavailable
			}
			return nil
		}
		done, err := s.Login(t.Context(), login)
		if err != nil || done.Position != 1 || len(s.log.facts) != 1 {
			t.Errorf("%+v, %v with %d facts", done, err, len(s.log.facts))
		}
	}
}

func TestALogThatStaysAwayIsSaidToBe(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.log.before = func(int) error { return fmt.Errorf("%w: no answer", eventlog.ErrUnavailable) }
	_, err := s.Login(t.Context(), commands.Login{Caller: backend(), User: "ada"})
	wantError(t, err, commands.ErrUnavailable)
	if e := commands.AsError(err); e.RetryAfter == 0 {
		t.Errorf("nobody is told when to try again: %+v", e)
	}
}

func TestOnlyBackendsRecord(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, caller := range []commands.Caller{user("ada", "till"), admin(), auditor()} {
		_, err := s.Login(t.Context(), commands.Login{Caller: caller, User: "ada"})
		wantError(t, err, commands.ErrForbidden)
		_, err = s.RecordRefresh(t.Context(), commands.RecordRefresh{Caller: caller, User: "ada", Session: "till"})
		wantError(t, err, commands.ErrForbidden)
		err = s.Touch(t.Context(), commands.Touches{Caller: caller, Touches: []commands.Touch{{User: "ada", Session: "till"}}})
		wantError(t, err, commands.ErrForbidden)
	}
	_, err := s.Login(t.Context(), commands.Login{User: "ada"})
	wantError(t, err, commands.ErrUnauthenticated)
}

func TestLoginsThatAreNotAcceptable(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return strings.Repeat("x", n+1) }
	hints := map[string]string{}
	for i := range events.MaxClientHints + 1 {
		hints[strconv.Itoa(i)] = "x"
	}
	cases := map[string]func(*commands.Login){
		"user":                   func(c *commands.Login) { c.User = "" },
		"user ":                  func(c *commands.Login) { c.User = long(events.MaxID) },
		"user  ":                 func(c *commands.Login) { c.User = "a\x00b" },
		"session":                func(c *commands.Login) { c.Session = "\xff" },
		"platform":               func(c *commands.Login) { c.Platform = long(events.MaxDeclared) },
		"app_version":            func(c *commands.Login) { c.AppVersion = long(events.MaxDeclared) },
		"build":                  func(c *commands.Login) { c.Build = long(events.MaxDeclared) },
		"roles":                  func(c *commands.Login) { c.Roles = make([]string, 33) },
		"roles[0]":               func(c *commands.Login) { c.Roles = []string{long(64)} },
		"created":                func(c *commands.Login) { c.Created = nine.Add(time.Hour) },
		"created ":               func(c *commands.Login) { c.Created = time.Unix(1, 0) },
		"expires":                func(c *commands.Login) { c.Expires = nine.Add(31 * 24 * time.Hour) },
		"expires ":               func(c *commands.Login) { c.Expires = nine },
		"personal.username":      func(c *commands.Login) { c.Personal.Username = long(events.MaxUsername) },
		"personal.display_name":  func(c *commands.Login) { c.Personal.DisplayName = strings.Repeat("ü", 129) },
		"personal.avatar_url":    func(c *commands.Login) { c.Personal.AvatarURL = "https://" + long(events.MaxAvatarURL) },
		"personal.avatar_url ":   func(c *commands.Login) { c.Personal.AvatarURL = "javascript:alert(1)" },
		"personal.device_label":  func(c *commands.Login) { c.Personal.DeviceLabel = long(events.MaxDeviceLabel) },
		"personal.user_agent":    func(c *commands.Login) { c.Personal.UserAgent = long(events.MaxUserAgent) },
		"personal.ip":            func(c *commands.Login) { c.Personal.IP = "somewhere" },
		"personal.client_hints":  func(c *commands.Login) { c.Personal.ClientHints = hints },
		"personal.client_hints ": func(c *commands.Login) { c.Personal.ClientHints = map[string]string{"a": long(events.MaxClientHint)} },
		"personal": func(c *commands.Login) {
			c.Personal.ClientHints = map[string]string{}
			for i := range events.MaxClientHints {
				c.Personal.ClientHints[strconv.Itoa(i)] = strings.Repeat("\x01", events.MaxClientHint)
			}
		},
	}
	for field, change := range cases {
		s := open(t)
		login := commands.Login{Caller: backend(), User: "ada"}
		change(&login)
		_, err := s.Login(t.Context(), login)
		e, ok := errors.AsType[*commands.Error](err)
		if !ok || !errors.Is(err, commands.ErrInvalid) || len(e.Fields) == 0 || e.Fields[0].Name != strings.TrimSpace(field) {
			t.Errorf("%s: error is %v", field, err)
		}
		if len(s.log.facts) != 0 {
			t.Errorf("%s: it was recorded", field)
		}
	}
}
