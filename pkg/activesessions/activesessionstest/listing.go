package activesessionstest

import (
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/device"
)

func loginIsListed(t *testing.T, factory Factory) {
	s := open(t, factory)
	login := s.login("ana", "1")
	batch := s.batches([]events.Event{login})[0]
	if _, err := s.store.Apply(t.Context(), batch); err != nil {
		t.Fatalf("apply: %v", err)
	}
	want := activesessions.Merge(activesessions.Session{}, batch.Facts[0], batch.Devices[activesessions.DeviceHash(login)])
	if want.Device == (device.Device{}) || want.Username == "" || want.IP == "" {
		t.Fatalf("the story is too poor to tell anything: %+v", want)
	}
	if diff := cmp.Diff([]activesessions.Session{want}, s.list(activesessions.SessionsQuery{User: "ana"})); diff != "" {
		t.Errorf("sessions (-want +got):\n%s", diff)
	}
	user := activesessions.User{
		Tenant: tenant, ID: "ana", Username: "ana", DisplayName: "Till ana",
		AvatarURL: login.Personal.AvatarURL, Sessions: 1, LastActive: opening,
	}
	page := s.users(activesessions.UsersQuery{})
	wantPage := activesessions.UsersPage{Users: []activesessions.User{user}, Total: 1, Sessions: 1, Freshness: page.Freshness}
	if diff := cmp.Diff(wantPage, page); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
}

func endedSessionStaysKnown(t *testing.T, factory Factory) {
	s := open(t, factory)
	s.happens(s.login("ana", "1"), s.login("ana", "2"))
	s.advance(time.Minute)
	second := s.end("ana", "1")
	second.Cause, second.CommandID = events.CauseLogout, "command-2"
	s.happens(s.end("ana", "1"), second)
	if got := ids(s.list(activesessions.SessionsQuery{User: "ana"})); !slices.Equal(got, []string{"2"}) {
		t.Errorf("open sessions are %v, want [2]", got)
	}
	want := &activesessions.End{
		At: s.Now(), Cause: events.CauseTerminate, InitiatingEntity: events.InitiatedByAdmin,
		Actor: events.Actor{User: "boss", Session: "office"}, ActorIP: "192.0.2.9",
		ReasonAdmin: "lost", ReasonUser: "see the boss", CommandID: "command-1", Sequence: 3,
	}
	ended := s.list(activesessions.SessionsQuery{User: "ana", Ended: true})
	if got := ids(ended); !slices.Equal(got, []string{"1"}) {
		t.Fatalf("ended sessions are %v, want [1]", got)
	}
	if diff := cmp.Diff(want, ended[0].End); diff != "" {
		t.Errorf("its end (-want +got):\n%s", diff)
	}
	found, _, err := s.store.Session(t.Context(), tenant, "1")
	if err != nil || len(found) != 1 {
		t.Fatalf("an ended session by its id: %v, %v", found, err)
	}
	if diff := cmp.Diff(want, found[0].End); diff != "" {
		t.Errorf("its end by its id (-want +got):\n%s", diff)
	}
}

// A list that is read after a position shows no session that was ended before
// it, also when the clock of whoever ended it runs ahead.
func endCountsWhateverItsClock(t *testing.T, factory Factory) {
	s := open(t, factory)
	early := s.login("ben", "2")
	early.Created += 5000
	s.happens(s.login("ana", "1"), early)
	ahead := s.end("ana", "1")
	ahead.EventTimestamp += 5000
	s.happens(ahead)
	page := s.users(activesessions.UsersQuery{})
	if page.Total != 1 || page.Sessions != 1 || len(page.Users) != 1 || page.Users[0].ID != "ben" {
		t.Errorf("listed are %+v, want ben alone", page)
	}
	if got := s.list(activesessions.SessionsQuery{User: "ana"}); len(got) != 0 {
		t.Errorf("open sessions are %v, want none", ids(got))
	}
}

func sessionExpires(t *testing.T, factory Factory) {
	s := open(t, factory)
	short := s.login("ana", "1")
	short.Expires = stamp(opening.Add(time.Hour))
	s.happens(short, s.login("ana", "2"), s.login("ben", "3"))
	steps := []struct {
		wait            time.Duration
		users, sessions int
	}{
		{0, 2, 3},
		{time.Hour - time.Millisecond, 2, 3},
		{time.Millisecond, 2, 2},
		{time.Second, 2, 2},
		{time.Hour, 2, 2},
		{shift, 0, 0},
	}
	for _, step := range steps {
		s.advance(step.wait)
		page := s.users(activesessions.UsersQuery{})
		if page.Total != step.users || page.Sessions != step.sessions || len(page.Users) != step.users {
			t.Errorf("at %v: %d users on the page of %d, %d sessions; want %d and %d",
				s.Now(), len(page.Users), page.Total, page.Sessions, step.users, step.sessions)
		}
		// Between the steps the store may tidy up, or not.
		if step.wait == time.Second {
			if err := s.store.Current(t.Context(), events.StreamSessions, s.Now()); err != nil {
				t.Fatalf("current: %v", err)
			}
		}
	}
	if got := ids(s.list(activesessions.SessionsQuery{User: "ana", Ended: true})); !slices.Equal(got, []string{"2", "1"}) {
		t.Errorf("expired sessions are %v, want [2 1]", got)
	}
}

func refreshKeepsOpen(t *testing.T, factory Factory) {
	s := open(t, factory)
	s.happens(s.login("ana", "1"))
	s.advance(time.Hour)
	s.happens(s.refresh("ana", "1", 2*shift))
	s.advance(shift)
	sessions := s.list(activesessions.SessionsQuery{User: "ana"})
	if len(sessions) != 1 || sessions[0].Generation != 1 || !sessions[0].Expires.Equal(opening.Add(time.Hour+2*shift)) {
		t.Errorf("sessions are %+v, want one of generation 1 until %v", sessions, opening.Add(time.Hour+2*shift))
	}
	// One that had expired comes back when a refresh says it was renewed in time.
	s.happens(s.login("ben", "2"))
	s.advance(shift + time.Minute)
	if err := s.store.Current(t.Context(), events.StreamSessions, s.Now()); err != nil {
		t.Fatalf("current: %v", err)
	}
	s.happens(s.refresh("ben", "2", shift))
	if page := s.users(activesessions.UsersQuery{User: "ben"}); page.Total != 1 || page.Sessions != 1 {
		t.Errorf("after a late refresh %+v, want ben with one session", page)
	}
	if page := s.users(activesessions.UsersQuery{}); page.Total != 1 || page.Sessions != 1 {
		t.Errorf("in all %d users with %d sessions, want 1 and 1", page.Total, page.Sessions)
	}
}

func lateTouch(t *testing.T, factory Factory) {
	s := open(t, factory)
	s.happens(s.login("ana", "1"))
	s.happens(s.end("ana", "1"))
	s.advance(time.Minute)
	s.happens(s.touch("ana", "1"), s.refresh("ana", "1", 2*shift))
	if page := s.users(activesessions.UsersQuery{}); page.Total != 0 || page.Sessions != 0 || len(page.Users) != 0 {
		t.Errorf("after a late touch and refresh there is %+v", page)
	}
}

func stubIsIgnored(t *testing.T, factory Factory) {
	s := open(t, factory)
	login := s.login("ana", "1")
	s.advance(time.Minute)
	s.happens(s.touch("ana", "1"), s.touch("ben", "2"), s.refresh("cleo", "3", shift), s.end("dora", "4"))
	page := s.users(activesessions.UsersQuery{})
	if page.Total != 0 || page.Sessions != 0 || len(page.Users) != 0 {
		t.Errorf("stubs are listed: %+v", page)
	}
	for user, session := range map[string]string{"ana": "1", "ben": "2", "cleo": "3", "dora": "4"} {
		if _, _, err := s.store.Session(t.Context(), tenant, session); !errors.Is(err, activesessions.ErrNotFound) {
			t.Errorf("stub %s by its id: %v, want ErrNotFound", session, err)
		}
		for _, ended := range []bool{false, true} {
			if got := s.list(activesessions.SessionsQuery{User: user, Ended: ended}); len(got) != 0 {
				t.Errorf("stubs of %s are listed (ended %v): %v", user, ended, ids(got))
			}
		}
	}
	s.happens(login, s.login("dora", "4"))
	page = s.users(activesessions.UsersQuery{})
	if page.Total != 1 || page.Users[0].ID != "ana" || !page.Users[0].LastActive.Equal(s.Now()) {
		t.Errorf("after the logins there is %+v, want ana, active at %v, and not dora, who was ended", page, s.Now())
	}
}

func usersByNewestActivity(t *testing.T, factory Factory) {
	s := open(t, factory)
	for i, user := range []string{"ana", "ben", "cleo"} {
		s.happens(s.login(user, strconv.Itoa(i)))
		s.advance(time.Second)
	}
	expectUsers(t, s, "cleo", "ben", "ana")
	s.happens(s.touch("ana", "0"))
	expectUsers(t, s, "ana", "cleo", "ben")
	s.happens(s.login("ben", "10"), s.login("ana", "11")) // of one millisecond: by id
	expectUsers(t, s, "ana", "ben", "cleo")
	s.happens(s.end("ana", "11"), s.end("ana", "0"), s.end("ben", "10"))
	expectUsers(t, s, "cleo", "ben") // ben's newest activity went with the session
	if got := ids(s.list(activesessions.SessionsQuery{User: "ana", Ended: true})); !slices.Equal(got, []string{"0", "11"}) {
		t.Errorf("ended sessions are %v, want [0 11]", got)
	}
}

// expectUsers lists everybody, with and without a filter that all match.
func expectUsers(t *testing.T, s *shop, want ...string) {
	t.Helper()
	for _, filter := range []string{"", "till"} {
		var got []string
		for _, u := range s.users(activesessions.UsersQuery{Filter: filter}).Users {
			got = append(got, u.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("filter %q: users are %v, want %v", filter, got, want)
		}
		for size := 1; size < 3; size++ {
			got = got[:0]
			for _, u := range s.walk(activesessions.UsersQuery{Filter: filter, PageSize: size}, func() {}) {
				got = append(got, u.ID)
			}
			if !slices.Equal(got, want) {
				t.Errorf("filter %q: users in pages of %d are %v, want %v", filter, size, got, want)
			}
		}
	}
}

func userLeaves(t *testing.T, factory Factory) {
	s := open(t, factory)
	s.happens(s.login("ana", "1"), s.login("ben", "2"))
	s.happens(s.end("ana", "1"))
	expectUsers(t, s, "ben")
	s.advance(time.Minute)
	s.happens(s.login("ana", "3"))
	expectUsers(t, s, "ana", "ben")
}

func newestLoginNames(t *testing.T, factory Factory) {
	s := open(t, factory)
	renamed := s.login("ana", "2")
	renamed.Personal.Username, renamed.Personal.DisplayName = "Ana-Maria", "Front desk"
	s.happens(s.login("ana", "1"), renamed)
	u := s.users(activesessions.UsersQuery{}).Users[0]
	if u.Username != "Ana-Maria" || u.DisplayName != "Front desk" || u.Sessions != 2 {
		t.Errorf("the user is %+v, want the name of the newest login and 2 sessions", u)
	}
	if got := s.users(activesessions.UsersQuery{Filter: "till"}).Total; got != 0 {
		t.Errorf("a former name is still found %d times", got)
	}
	// A second login under one key tells no news of the session, but a name.
	again := s.login("ana", "1")
	again.Expires, again.Personal.DisplayName = again.Expires-1000, "Back office"
	expectRefs(t, s.happens(again), activesessions.UserRef{Tenant: tenant, User: "ana"})
	expectRefs(t, s.happens(again))
	u = s.users(activesessions.UsersQuery{Filter: "office"}).Users[0]
	if u.DisplayName != "Back office" || u.Sessions != 2 {
		t.Errorf("the user is %+v, want the name of the newest login and 2 sessions", u)
	}
}

func foreignTenant(t *testing.T, factory Factory) {
	s := open(t, factory)
	s.happens(s.login("ana", "1"), s.login("ana", "2"))
	s.happens(s.end("ana", "2"))
	for _, foreign := range []string{"butcher", "", "baker", "bakery\x00", "Bakery"} {
		page, err := s.store.Users(t.Context(), activesessions.UsersQuery{Tenant: foreign, Now: s.Now()})
		if err != nil || page.Total != 0 || page.Sessions != 0 || len(page.Users) != 0 {
			t.Errorf("tenant %q sees %+v, %v", foreign, page, err)
		}
		for _, ended := range []bool{false, true} {
			query := activesessions.SessionsQuery{Tenant: foreign, User: "ana", Now: s.Now(), Ended: ended}
			got, _, err := s.store.Sessions(t.Context(), query)
			if err != nil || len(got) != 0 {
				t.Errorf("tenant %q sees sessions %v, %v", foreign, ids(got), err)
			}
		}
		if _, _, err := s.store.Session(t.Context(), foreign, "1"); !errors.Is(err, activesessions.ErrNotFound) {
			t.Errorf("tenant %q finds a session: %v", foreign, err)
		}
		if got, _, err := s.store.History(t.Context(), foreign, "ana", s.Now()); err != nil || len(got) != 0 {
			t.Errorf("tenant %q has a history: %v, %v", foreign, ids(got), err)
		}
		far := s.Now().Add(shift / 2)
		if got, _, err := s.store.Idle(t.Context(), foreign, far, s.Now(), events.Key{}, 100); err != nil || len(got) != 0 {
			t.Errorf("tenant %q has idle sessions: %v, %v", foreign, got, err)
		}
	}
}

func onlyThemselves(t *testing.T, factory Factory) {
	s := open(t, factory)
	s.happens(s.login("ana", "1"), s.login("ana", "2"), s.login("ben", "3"))
	page := s.users(activesessions.UsersQuery{User: "ana"})
	if page.Total != 1 || page.Sessions != 2 || len(page.Users) != 1 || page.Users[0].ID != "ana" || page.NextToken != "" {
		t.Errorf("ana sees %+v, want ana with 2 sessions", page)
	}
	page = s.users(activesessions.UsersQuery{User: "ana", Filter: "ben"})
	if page.Total != 0 || page.Sessions != 2 || len(page.Users) != 0 {
		t.Errorf("ana filters for ben and sees %+v", page)
	}
	if page := s.users(activesessions.UsersQuery{User: "nobody"}); page.Total != 0 || page.Sessions != 0 || len(page.Users) != 0 {
		t.Errorf("nobody sees %+v", page)
	}
}

func oneIDOfTwoUsers(t *testing.T, factory Factory) {
	s := open(t, factory)
	s.happens(s.login("zoe", "1"), s.login("ana", "1"), s.login("ben", "2"))
	found, _, err := s.store.Session(t.Context(), tenant, "1")
	if err != nil || len(found) != 2 || found[0].User != "zoe" || found[1].User != "ana" {
		t.Errorf("found %+v, %v; want zoe's, then ana's", found, err)
	}
}

func historyForFold(t *testing.T, factory Factory) {
	s := open(t, factory)
	short := s.login("ana", "1")
	short.Expires = stamp(opening.Add(time.Minute))
	s.happens(short, s.login("ana", "3"), s.login("ana", "2"), s.login("ben", "4"))
	s.advance(time.Minute)
	s.happens(s.end("ana", "3"), s.touch("ana", "stub"))
	got, fresh, err := s.store.History(t.Context(), tenant, "ana", s.Now())
	if err != nil || !slices.Equal(ids(got), []string{"3", "2"}) || fresh.Position != 5 {
		t.Errorf("history is %v as of %d, %v; want [3 2] as of 5", ids(got), fresh.Position, err)
	}
	if len(got) == 2 && (got[0].End == nil || got[1].End != nil) {
		t.Errorf("ends are %v and %v, want one of session 3", got[0].End, got[1].End)
	}
}

func ids(sessions []activesessions.Session) []string {
	all := make([]string, len(sessions))
	for i := range sessions {
		all[i] = sessions[i].Session
	}
	return all
}
