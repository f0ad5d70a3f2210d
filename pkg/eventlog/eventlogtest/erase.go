package eventlogtest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// named is a login that says who it is of.
func (s *suite) named(user, name string) events.Envelope {
	fact := s.fact(user)
	login, _ := fact.Event.(events.LoggedIn)
	login.Personal = events.LoginPersonal{DisplayName: name, IP: "203.0.113.9", ClientHints: map[string]string{"a": "b"}}
	fact.Event = login
	return fact
}

// forgotten names all the keys that a user has.
func (s *suite) forgotten(user string) events.Envelope {
	s.t.Helper()
	keys, err := s.Log.Keys(s.ctx, tenant, user)
	if err != nil {
		s.t.Fatalf("keys of %s: %v", user, err)
	}
	s.ids++
	return envelope("forget-"+user+"-"+time.Duration(s.ids).String(), events.Forgotten{
		Tenant: tenant, User: user, EventTimestamp: events.TimestampOf(moment),
		InitiatingEntity: events.InitiatedByAdmin, CommandID: "forget", Keys: keys,
	})
}

func (s *suite) destroy(fact events.Envelope) {
	s.t.Helper()
	forgotten, _ := fact.Event.(events.Forgotten)
	if err := s.Log.Destroy(s.ctx, forgotten); err != nil {
		s.t.Fatalf("destroy %v: %v", forgotten.Keys, err)
	}
}

// names are those in logins, "-" for one that says none.
func names(facts []eventlog.Recorded) string {
	var all []string
	for _, fact := range facts {
		login, ok := fact.Event.(events.LoggedIn)
		switch {
		case !ok:
		case login.Personal.DisplayName == "":
			all = append(all, "-")
		default:
			all = append(all, login.Personal.DisplayName)
		}
	}
	return strings.Join(all, " ")
}

// everyRead returns what each way of reading says of a user's names.
func (s *suite) everyRead(user string) map[string]string {
	s.t.Helper()
	only := func(facts []eventlog.Recorded) (of []eventlog.Recorded) {
		for _, fact := range facts {
			if fact.Event.SessionKey().User == user {
				of = append(of, fact)
			}
		}
		return of
	}
	return map[string]string{
		"User":   names(s.user(user, 0)),
		"Scan":   names(s.selected(eventlog.Selection{Tenant: tenant, User: user, Limit: 2})),
		"Read":   names(only(s.readToTheEnd())),
		"Follow": names(only(s.followed(eventlog.FollowConfig{}))),
	}
}

// readToTheEnd reads POS_SESSIONS, again while a replica answers that is behind.
func (s *suite) readToTheEnd() []eventlog.Recorded {
	s.t.Helper()
	for last := s.state(events.StreamSessions).Last; ; {
		read, err := s.Log.Read(s.ctx, events.StreamSessions, 1, 100)
		if err != nil {
			s.t.Fatalf("read: %v", err)
		}
		if read.End.Sequence >= last {
			return read.Events
		}
	}
}

// followed reads POS_SESSIONS to its end, from the first message.
func (s *suite) followed(config eventlog.FollowConfig) []eventlog.Recorded {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	last := s.state(events.StreamSessions).Last
	var all []eventlog.Recorded
	config.Stream, config.MaxBatch = events.StreamSessions, 3
	err := s.Log.Follow(ctx, config, func(_ context.Context, batch eventlog.Batch) error {
		all = append(all, batch.Events...)
		if batch.End.Sequence >= last {
			cancel()
		}
		return nil
	})
	if err != nil {
		s.t.Fatalf("follow: %v", err)
	}
	return all
}

func (s *suite) wantNames(user, want string) {
	s.t.Helper()
	for way, got := range s.everyRead(user) {
		if got != want {
			s.t.Errorf("%s shows %q of %s, want %q", way, got, user, want)
		}
	}
}

func testSealed(t *testing.T, s *suite) {
	s.append(nil, s.named("ann", "Ann"), s.fact("ann"), s.named("ann", "Anna"))
	s.append(nil, s.named("bob", "Bob"))
	s.wantNames("ann", "Ann - Anna")
	s.wantNames("bob", "Bob")
	if got := names(s.followed(eventlog.FollowConfig{Sealed: true})); got != "- - - -" {
		t.Errorf("a follower that wants them sealed sees %q", got)
	}
}

func testForgotten(t *testing.T, s *suite) {
	s.append(nil, s.named("ann", "Ann"))
	s.append(nil, s.named("*", "Star")) // an id that would match all of them
	s.append(nil, s.named("bob", "Bob"))
	forgotten := s.forgotten("ann")
	if keys := forgotten.Event.(events.Forgotten).Keys; len(keys) != 1 { //nolint:forcetypeassert // made above
		t.Fatalf("ann has the keys %v, want one", keys)
	}
	s.append(nil, forgotten)
	// Who has not read so far yet reads in order.
	if got := names(s.another().user("ann", 0)); got != "Ann" {
		t.Errorf("in order she is %q", got)
	}
	s.append(nil, s.named("ann", "Ann-again"))
	s.wantNames("ann", "- Ann-again")

	s.destroy(forgotten)
	s.wantNames("ann", "- Ann-again")
	s.destroy(forgotten)
	s.wantNames("ann", "- Ann-again")
	s.wantNames("bob", "Bob")
	s.wantNames("*", "Star")

	again := s.forgotten("*")
	s.append(nil, again)
	s.destroy(again)
	s.wantNames("*", "-")
	s.wantNames("ann", "- Ann-again")
	if s.state(events.StreamSessions).Missing != 0 {
		t.Error("facts are gone")
	}
}

// What somebody sealed with a key that a fact before it names stays shut, whether
// the key was destroyed in time or not.
func testForgottenRace(t *testing.T, s *suite) {
	s.append(nil, s.named("ann", "Ann"))
	forgotten := s.forgotten("ann")
	late := s.Another()
	if _, err := late.Append(s.ctx, []events.Envelope{s.named("ann", "warm")}, nil); err != nil {
		t.Fatal(err)
	}
	s.append(nil, forgotten)
	if _, err := late.Append(s.ctx, []events.Envelope{s.named("ann", "late")}, nil); err != nil {
		t.Fatal(err) // it has the key in memory
	}
	if got := names(s.another().followed(eventlog.FollowConfig{})); got != "Ann warm -" {
		t.Errorf("in order they are %q", got)
	}
	s.destroy(forgotten)
	s.wantNames("ann", "- - -")
}

func testForgottenTouches(t *testing.T, s *suite) {
	s.append(nil, s.named("ann", "Ann"))
	if err := s.Log.Touch(s.ctx, []events.Envelope{touch("a", -3), touch("b", -1), touch("c", 5)}); err != nil {
		t.Fatal(err)
	}
	forgotten := s.forgotten("ann")
	s.append(nil, forgotten)
	s.destroy(forgotten)
	for session, gone := range map[string]bool{"a": true, "b": true, "c": false} { // c is of a later session
		if _, err := s.Log.LastTouch(s.ctx, key("ann", session)); (err != nil) != gone {
			t.Errorf("the last touch of %s: %v", session, err)
		}
	}
}

func testDestroyQuarter(t *testing.T, s *suite) {
	s.append(nil, s.named("ann", "Ann"))
	elsewhere := envelope("elsewhere", events.LoggedIn{
		Key:            events.Key{Tenant: "other", User: "ann", Session: "s"},
		EventTimestamp: events.TimestampOf(moment), Personal: events.LoginPersonal{DisplayName: "Other"},
	})
	s.append(nil, elsewhere)
	for _, tt := range []struct {
		months, want int
		names        string
	}{{-3, 0, "Ann"}, {0, 0, "Ann"}, {3, 1, "-"}, {6, 0, "-"}} {
		old, err := s.Log.OldKeys(s.ctx, time.Now().AddDate(0, tt.months, 0))
		if err != nil {
			t.Fatal(err)
		}
		destroyed := 0
		for _, keys := range old {
			if keys.Tenant != tenant {
				continue
			}
			n, err := s.Log.DestroyQuarter(s.ctx, tenant, keys.Quarter)
			if err != nil || n != keys.Keys {
				t.Errorf("of %+v, %d keys were destroyed, %v", keys, n, err)
			}
			destroyed += n
		}
		if destroyed != tt.want {
			t.Errorf("of the quarters before %d months from now, %d keys were destroyed, want %d", tt.months, destroyed, tt.want)
		}
		if got := names(s.another().user("ann", 0)); got != tt.names {
			t.Errorf("before %d months from now, ann is %q, want %q", tt.months, got, tt.names)
		}
	}
	if got := names(s.selected(eventlog.Selection{Tenant: "other", Limit: 2})); got != "Other" {
		t.Errorf("another tenant's user is %q", got)
	}
}

// another is the suite on another process's log.
func (s *suite) another() *suite {
	other := *s
	other.Log = s.Another()
	return &other
}

func testKeyRace(t *testing.T, s *suite) {
	const logs = 8
	var running sync.WaitGroup
	facts := make([]events.Envelope, logs)
	for i := range facts {
		facts[i] = s.named("ann", "Ann")
	}
	for _, fact := range facts {
		log := s.Another()
		running.Go(func() {
			if _, err := log.Append(s.ctx, []events.Envelope{fact}, nil); err != nil {
				t.Errorf("append: %v", err)
			}
		})
	}
	running.Wait()
	if keys, err := s.Log.Keys(s.ctx, tenant, "ann"); err != nil || len(keys) != 1 {
		t.Errorf("the keys are %v, %v; want one", keys, err)
	}
	s.wantNames("ann", strings.TrimSpace(strings.Repeat("Ann ", logs)))
}
