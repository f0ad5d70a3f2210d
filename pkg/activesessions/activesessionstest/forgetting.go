package activesessionstest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// forgottenIn is the greatest sequence at which each user was forgotten.
func forgottenIn(history []eventlog.Recorded) map[activesessions.UserRef]uint64 {
	forgotten := map[activesessions.UserRef]uint64{}
	for i := range history {
		if e, ok := history[i].Event.(events.Forgotten); ok {
			user := activesessions.UserRef{Tenant: e.Tenant, User: e.User}
			forgotten[user] = max(forgotten[user], history[i].Sequence)
		}
	}
	return forgotten
}

func userOf(k events.Key) activesessions.UserRef {
	return activesessions.UserRef{Tenant: k.Tenant, User: k.User}
}

// Sealed is the history as it is read after the keys of the forgotten were
// destroyed: what stands in POS_SESSIONS before the user's last events.Forgotten says
// nothing about the person. Touches are not sealed.
func Sealed(history []eventlog.Recorded) []eventlog.Recorded {
	forgotten, sealed := forgottenIn(history), slices.Clone(history)
	for i := range sealed {
		if fact := &sealed[i]; fact.Sequence < forgotten[userOf(fact.Event.SessionKey())] {
			fact.Event = withoutPersonal(fact.Event)
		}
	}
	return sealed
}

func withoutPersonal(e events.Event) events.Event {
	switch e := e.(type) {
	case events.LoggedIn:
		e.Personal, e.Sealed = events.LoginPersonal{}, events.Sealed{Key: "k", Data: "x"}
		return e
	case events.Refreshed:
		e.Personal, e.Sealed = events.DevicePersonal{}, events.Sealed{Key: "k", Data: "x"}
		return e
	case events.Revoked:
		e.Personal, e.Sealed = events.RevokedPersonal{}, events.Sealed{Key: "k", Data: "x"}
		return e
	default:
		return e
	}
}

// A read model that is rebuilt after the keys of the forgotten were destroyed is,
// byte for byte, the one that read the facts while they could be read.
func rebuiltAfterKeysAreLost(t *testing.T, factory Factory) {
	store := factory(t, func() time.Time { return opening })
	rapid.Check(t, func(rt *rapid.T) {
		history := History().Draw(rt, "history")
		read := func(facts []eventlog.Recorded) string {
			if err := store.Reset(t.Context()); err != nil {
				rt.Fatalf("reset: %v", err)
			}
			replay(rt, store, map[string]eventlog.Position{}, Disorder(rt, facts))
			return Dump(rt, store)
		}
		live, rebuilt := read(history), read(Sealed(history))
		if diff := cmp.Diff(live, rebuilt); diff != "" {
			rt.Fatalf("read models differ (-live +rebuilt):\n%s", diff)
		}
		if diff := cmp.Diff(Reference(Sealed(history)), rebuilt); diff != "" {
			rt.Fatalf("read model differs (-want +got):\n%s", diff)
		}
	})
}

const canary = "Canary"

// keeper is a store that can look for a text in all that it keeps, also where no
// question leads.
type keeper interface{ Holds(text string) []string }

// person signs in with nothing but canaries about them.
func (s *shop) person(user, session string) events.LoggedIn {
	login := s.login(user, session)
	login.Personal = events.LoginPersonal{
		Username: canary + "-name", DisplayName: canary + " Display", AvatarURL: "https://shop.example/" + canary,
		DeviceLabel: canary + " label", UserAgent: canary + "Browser/1.0",
		ClientHints: map[string]string{"Sec-CH-UA": canary + "Hint"}, IP: canary + "-ip",
	}
	return login
}

func (s *shop) personEnds(user, session string) events.Revoked {
	end := s.end(user, session)
	end.Personal = events.RevokedPersonal{ActorIP: canary + "-ip", ReasonAdmin: canary + " lost", ReasonUser: canary + " stolen"}
	return end
}

func forgottenUserIsBlank(t *testing.T, factory Factory) {
	s := open(t, factory)
	touched := s.touch("ana", "1")
	touched.Personal = events.DevicePersonal{IP: canary + "-ip", UserAgent: canary}
	s.happens(s.login("ben", "9"), s.person("ana", "1"), s.person("ana", "2"), touched)
	s.advance(time.Minute)
	refreshed := s.refresh("ana", "1", shift)
	refreshed.Personal = events.DevicePersonal{IP: canary + "-2", UserAgent: canary + "Browser/2.0"}
	s.happens(refreshed)
	s.advance(time.Minute)
	if shown := s.everythingShown("ana"); !strings.Contains(shown, canary) {
		t.Fatalf("the story is too poor to tell anything:\n%s", shown)
	}
	if k, ok := s.store.(keeper); ok && len(k.Holds(canary)) == 0 {
		t.Fatal("the store does not find what it holds")
	}
	forgotten := events.Forgotten{Tenant: tenant, User: "ana", EventTimestamp: stamp(s.Now())}
	ana := activesessions.UserRef{Tenant: tenant, User: "ana"}
	expectRefs(t, s.happens(s.personEnds("ana", "1"), s.personEnds("ana", "2"), forgotten), ana)
	s.expectNoCanary("forgotten")

	// What comes late, or once more, brings nothing back.
	s.advance(time.Minute)
	late := s.touch("ana", "1")
	late.Personal = touched.Personal
	s.happens(late)
	s.expectNoCanary("a late touch")
	s.redelivered(s.person("ana", "2"), 3)
	s.expectNoCanary("a login once more")
	s.redelivered(s.person("ana", "3"), 4)
	s.expectNoCanary("a login from before, of a session that nobody knew")

	// Who has the id then is somebody else.
	next := s.login("ana", "4")
	next.Personal.DisplayName = "New Till"
	s.happens(next, s.touch("ana", "4"))
	s.expectNoCanary("somebody new")
	page := s.users(activesessions.UsersQuery{Filter: "new till"})
	if page.Total != 1 || len(page.Users) != 1 || page.Users[0].DisplayName != "New Till" {
		t.Errorf("somebody new with the id is found as %+v", page)
	}
	found, _, err := s.store.Session(t.Context(), tenant, "4")
	if err != nil || found[0].Forgotten || found[0].UserAgent == "" || found[0].IP != "192.0.2.2" {
		t.Errorf("the session of somebody new is %+v, %v", found, err)
	}
}

// What was not personal stays.
func forgottenSessionStaysKnown(t *testing.T, factory Factory) {
	s := open(t, factory)
	login := s.person("ana", "1")
	batch := s.batches([]events.Event{login, s.personEnds("ana", "1")})[0]
	if _, err := s.store.Apply(t.Context(), batch); err != nil {
		t.Fatalf("apply: %v", err)
	}
	s.happens(events.Forgotten{Tenant: tenant, User: "ana", EventTimestamp: stamp(s.Now())})
	want := activesessions.Session{
		Key: key("ana", "1"), Platform: "ios", AppVersion: "1.8.1", Build: "231",
		Created: opening, Expires: opening.Add(shift), LastActive: opening,
		LoginID: batch.Facts[0].ID, LoginSequence: 1, First: 1, Forgotten: true,
		End: &activesessions.End{
			At: opening, Cause: events.CauseTerminate, InitiatingEntity: events.InitiatedByAdmin,
			Actor: events.Actor{User: "boss", Session: "office"}, CommandID: "command-1", Sequence: 2,
		},
	}
	found, _, err := s.store.Session(t.Context(), tenant, "1")
	if err != nil {
		t.Fatalf("session: %v", err)
	}
	if diff := cmp.Diff([]activesessions.Session{want}, found); diff != "" {
		t.Errorf("a forgotten session (-want +got):\n%s", diff)
	}
	// A session that is still open when its user is forgotten is listed by its id.
	s.happens(s.person("cleo", "5"), events.Forgotten{Tenant: tenant, User: "cleo", EventTimestamp: stamp(s.Now())})
	user := activesessions.User{Tenant: tenant, ID: "cleo", Sessions: 1, LastActive: opening}
	if diff := cmp.Diff([]activesessions.User{user}, s.users(activesessions.UsersQuery{}).Users); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
}

// redelivered applies a fact with the sequence that it had.
func (s *shop) redelivered(fact events.Event, sequence uint64) {
	s.t.Helper()
	batch := s.batches([]events.Event{fact})[0]
	batch.Facts[0].Sequence = sequence
	if _, err := s.store.Apply(s.t.Context(), batch); err != nil {
		s.t.Fatalf("apply: %v", err)
	}
}

func (s *shop) expectNoCanary(when string) {
	s.t.Helper()
	for place, shown := range map[string]string{"an answer": s.everythingShown("ana"), "the dump": s.dump()} {
		if at := strings.Index(shown, canary); at >= 0 {
			s.t.Errorf("%s: %s shows %q", when, place, shown[max(0, at-40):min(len(shown), at+40)])
		}
	}
	for _, query := range []activesessions.UsersQuery{{}, {At: opening.Add(time.Second)}} {
		if query.Filter = canary; s.users(query).Total != 0 {
			s.t.Errorf("%s: the filter finds a forgotten name, %+v", when, query)
		}
	}
	if k, ok := s.store.(keeper); ok {
		if places := k.Holds(canary); len(places) > 0 {
			s.t.Errorf("%s: it is still stored in %q", when, places)
		}
	}
}

// everythingShown is what the Reader answers about a user, now and at past moments.
func (s *shop) everythingShown(user string) string {
	s.t.Helper()
	var shown strings.Builder
	show := func(answer any, err error) {
		if err != nil {
			s.t.Fatalf("read: %v", err)
		}
		fmt.Fprintf(&shown, "%+v\n", answer)
	}
	showAll := func(sessions []activesessions.Session) {
		for _, session := range sessions {
			show(session, nil)
			for _, end := range []*activesessions.End{session.End, session.Later} {
				if end != nil {
					show(*end, nil)
				}
			}
		}
	}
	now := s.Now()
	for _, at := range []time.Time{{}, opening, opening.Add(90 * time.Second), now} {
		show(s.users(activesessions.UsersQuery{At: at}), nil)
		for _, ended := range []bool{false, true} {
			showAll(s.list(activesessions.SessionsQuery{User: user, At: at, Ended: ended}))
		}
		query := activesessions.SessionsOfQuery{Tenant: tenant, Users: []string{user}, At: at, Now: now}
		of, _, err := s.store.SessionsOf(s.t.Context(), query)
		show(nil, err)
		showAll(of[user])
	}
	history, _, err := s.store.History(s.t.Context(), tenant, user, now)
	show(nil, err)
	showAll(history)
	for _, session := range history {
		found, _, err := s.store.Session(s.t.Context(), tenant, session.Session)
		show(nil, err)
		showAll(found)
	}
	return shown.String()
}
