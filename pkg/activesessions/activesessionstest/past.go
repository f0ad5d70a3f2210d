package activesessionstest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/device"
	"github.com/posse-pos/posse/pkg/eventlog"
)

func idleSessions(t *testing.T, factory Factory) {
	s := open(t, factory)
	facts := make([]events.Event, 0, 20)
	for i := range 10 {
		facts = append(facts, s.login(fmt.Sprintf("user%d", i), "a"), s.login(fmt.Sprintf("user%d", i), "b"))
	}
	s.happens(facts...)
	s.advance(time.Hour)
	s.happens(s.touch("user3", "a"), s.touch("user7", "b"), s.touch("user5", "stub"))
	s.happens(s.end("user0", "a"))
	since := opening.Add(time.Minute)
	for _, limit := range []int{1, 3, 20, 1000} {
		idle := s.idle(since, limit)
		wrong := slices.Contains(idle, key("user3", "a")) || slices.Contains(idle, key("user7", "b"))
		if len(idle) != 17 || idle[0] != key("user0", "b") || wrong {
			t.Errorf("in steps of %d these are idle: %v", limit, idle)
		}
		if !slices.IsSortedFunc(idle, func(a, b events.Key) int {
			return slices.Compare([]string{a.User, a.Session}, []string{b.User, b.Session})
		}) {
			t.Errorf("in steps of %d idle sessions are not in key order: %v", limit, idle)
		}
	}
	// Nothing is idle that expired.
	s.advance(shift)
	if idle, _, err := s.store.Idle(t.Context(), tenant, s.Now(), s.Now(), events.Key{}, 1000); err != nil || len(idle) != 0 {
		t.Errorf("expired sessions are idle: %v, %v", idle, err)
	}
}

// idle collects idle sessions step by step.
func (s *shop) idle(since time.Time, limit int) []events.Key {
	s.t.Helper()
	var idle []events.Key
	var after events.Key
	for range 100 {
		found, next, err := s.store.Idle(s.t.Context(), tenant, since, s.Now(), after, limit)
		if err != nil {
			s.t.Fatalf("idle: %v", err)
		}
		if len(found) > limit {
			s.t.Fatalf("a step of %d found %d", limit, len(found))
		}
		idle = append(idle, found...)
		if next == (events.Key{}) {
			return idle
		}
		after = next
	}
	s.t.Fatalf("steps of %d do not end", limit)
	return nil
}

func pastMoment(t *testing.T, factory Factory) {
	s := open(t, factory)
	s.happens(s.login("ana", "1"))
	s.advance(time.Hour) // 09:00
	s.happens(s.login("ben", "2"), s.login("ana", "3"))
	s.advance(time.Hour) // 10:00
	s.happens(s.end("ana", "1"), s.touch("ben", "2"))
	s.advance(time.Hour) // 11:00
	s.happens(s.touch("ana", "3"), s.touch("ana", "1"))
	s.advance(3 * shift)
	for _, moment := range []struct {
		hour     float64
		users    []string
		ana      []string
		anaEnded []string
	}{
		{hour: -0.1},
		{hour: 0, users: []string{"ana"}, ana: []string{"1"}},
		{hour: 1, users: []string{"ana", "ben"}, ana: []string{"1", "3"}},
		{hour: 1.5, users: []string{"ana", "ben"}, ana: []string{"1", "3"}},
		{hour: 2, users: []string{"ana", "ben"}, ana: []string{"3"}, anaEnded: []string{"1"}},
		{hour: 12.5, users: []string{"ana", "ben"}, ana: []string{"3"}, anaEnded: []string{"1"}},
		{hour: 13, anaEnded: []string{"3", "1"}},
		{hour: 14, anaEnded: []string{"3", "1"}},
	} {
		s.expectMoment(opening.Add(time.Duration(moment.hour*float64(time.Hour))), moment.users, moment.ana, moment.anaEnded)
	}
}

func (s *shop) expectMoment(at time.Time, users, ana, anaEnded []string) {
	s.t.Helper()
	page := s.users(activesessions.UsersQuery{At: at})
	var got []string
	sessions := 0
	for _, u := range page.Users {
		got = append(got, u.ID)
		sessions += u.Sessions
		if u.LastActive.After(at) {
			s.t.Errorf("at %v %s was active in the future, %v", at, u.ID, u.LastActive)
		}
		if u.Username != u.ID {
			s.t.Errorf("at %v %s was called %q", at, u.ID, u.Username)
		}
	}
	if !slices.Equal(got, users) || page.Total != len(users) || page.Sessions != sessions {
		s.t.Errorf("at %v users were %v of %d with %d sessions of %d, want %v", at, got, page.Total, sessions, page.Sessions, users)
	}
	walked := s.walk(activesessions.UsersQuery{At: at, PageSize: 1}, func() {})
	paged := make([]string, 0, len(walked))
	for _, u := range walked {
		paged = append(paged, u.ID)
	}
	if !slices.Equal(paged, users) {
		s.t.Errorf("at %v users in pages were %v, want %v", at, paged, users)
	}
	open := s.list(activesessions.SessionsQuery{User: "ana", At: at})
	if got := ids(open); !slices.Equal(got, ana) {
		s.t.Errorf("at %v ana had open %v, want %v", at, got, ana)
	}
	for _, session := range open {
		if session.End != nil || session.LastActive.After(at) {
			s.t.Errorf("at %v session %s knew the future: %+v", at, session.Session, session)
		}
	}
	if got := ids(s.list(activesessions.SessionsQuery{User: "ana", At: at, Ended: true})); !slices.Equal(got, anaEnded) {
		s.t.Errorf("at %v ana had ended %v, want %v", at, got, anaEnded)
	}
}

func sweepForgets(t *testing.T, factory Factory) {
	s := open(t, factory)
	short := s.login("ana", "1")
	short.Expires = stamp(opening.Add(time.Minute))
	s.happens(short, s.login("ana", "2"), s.login("ben", "3"), s.login("cleo", "4"))
	s.happens(s.end("ana", "2"), s.touch("stub", "5"), s.end("stub", "6"), s.refresh("stub", "7", time.Minute))
	s.advance(time.Hour)
	s.happens(s.end("ben", "3"))
	sweep := func(before time.Time) int {
		counted := 0
		for _, old := range s.old(func(string) time.Time { return before }) {
			counted += old.Sessions
		}
		n, err := s.store.Sweep(t.Context(), tenant, before)
		if err != nil {
			t.Fatalf("sweep: %v", err)
		}
		if n != counted {
			t.Errorf("%d rows before %v were swept, %d were counted", n, before, counted)
		}
		return n
	}
	if n := sweep(opening); n != 0 {
		t.Errorf("%d sessions were swept that ended at the moment or later", n)
	}
	if n := sweep(opening.Add(time.Millisecond)); n != 3 {
		t.Errorf("%d rows were swept, want ended 2, stub 5 and stub 6", n)
	}
	if n := sweep(opening.Add(time.Minute + time.Millisecond)); n != 2 {
		t.Errorf("%d rows were swept, want expired 1 and stub 7", n)
	}
	// Nobody can sweep what is open by asking for a moment to come.
	if n := sweep(opening.Add(100 * shift)); n != 0 {
		t.Errorf("%d rows were swept that are open or ended just now", n)
	}
	page := s.users(activesessions.UsersQuery{})
	if page.Total != 1 || page.Sessions != 1 || page.Users[0].ID != "cleo" {
		t.Errorf("after the sweep there is %+v, want cleo", page)
	}
	if got := ids(s.list(activesessions.SessionsQuery{User: "ben", Ended: true})); !slices.Equal(got, []string{"3"}) {
		t.Errorf("ended sessions of ben are %v, want [3]", got)
	}
	s.advance(2 * shift)
	if n := sweep(s.Now()); n != 2 {
		t.Errorf("%d rows were swept, want the last 2", n)
	}
	if got := s.dump(); got != "" {
		t.Errorf("after sweeping everything there are rows:\n%s", got)
	}
}

func (s *shop) old(before func(string) time.Time) []activesessions.Old {
	s.t.Helper()
	old, err := s.store.Old(s.t.Context(), before)
	if err != nil {
		s.t.Fatalf("count what is old: %v", err)
	}
	slices.SortFunc(old, func(a, b activesessions.Old) int { return strings.Compare(a.Tenant, b.Tenant) })
	return old
}

// Every tenant keeps what ended for as long as it wants to.
func sweepGoesByTenant(t *testing.T, factory Factory) {
	s := open(t, factory)
	of := func(tenant, user, session string) events.LoggedIn {
		login := s.login(user, session)
		login.Tenant = tenant
		return login
	}
	ended := s.end("ana", "2")
	ended.Tenant = "butcher"
	s.happens(of("bakery", "ana", "1"), of("butcher", "ana", "2"), of("butcher", "ana", "3"), of("florist", "ana", "4"), ended)
	s.advance(2 * shift)
	s.happens(of("florist", "ben", "5"))
	keep := map[string]time.Duration{"bakery": shift - time.Millisecond, "butcher": shift + time.Minute, "florist": 10 * shift}
	before := func(tenant string) time.Time { return s.Now().Add(-keep[tenant]) }
	want := []activesessions.Old{
		{Tenant: "bakery", Before: before("bakery"), Sessions: 1}, {Tenant: "butcher", Before: before("butcher"), Sessions: 1},
	}
	old := s.old(before)
	if diff := cmp.Diff(want, old); diff != "" {
		t.Fatalf("old sessions (-want +got):\n%s", diff)
	}
	for i, o := range old {
		if n, err := s.store.Sweep(t.Context(), o.Tenant, o.Before); n != 1 || err != nil {
			t.Errorf("%d rows of %s were swept, %v; want 1", n, o.Tenant, err)
		}
		// What is swept once is not there twice, and others stay.
		if diff := cmp.Diff(want[i+1:], s.old(before), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("old sessions after %s (-want +got):\n%s", o.Tenant, diff)
		}
	}
	for session, of := range map[string]string{"3": "butcher", "4": "florist", "5": "florist"} {
		if _, _, err := s.store.Session(t.Context(), of, session); err != nil {
			t.Errorf("session %s of %s: %v", session, of, err)
		}
	}
	if n, err := s.store.Sweep(t.Context(), "nobody", s.Now()); n != 0 || err != nil {
		t.Errorf("of a tenant that there is not %d rows were swept, %v", n, err)
	}
}

// sweepTakesExactlyTheOld compares with a reckoning over all rows of random
// histories, of every length of life.
func sweepTakesExactlyTheOld(t *testing.T, factory Factory) {
	c := &clock{now: opening.Add(time.Hour)}
	store := factory(t, c.Now)
	at := map[string]eventlog.Position{}
	cases := 0
	rapid.Check(t, func(rt *rapid.T) {
		cases++ // each in a tenant of its own
		name := fmt.Sprint("swept", cases)
		history := History().Draw(rt, "history")
		rows := map[events.Key]activesessions.Session{}
		for i := range history {
			history[i].Event = stretched(withTenant(history[i].Event, name), rapid.Int64Range(1, 4000).Draw(rt, "life"))
			k := history[i].Event.SessionKey()
			rows[k] = activesessions.Merge(rows[k], history[i], device.Device{})
		}
		replay(rt, store, at, history)
		before := opening.Add(time.Duration(rapid.IntRange(-2, 12).Draw(rt, "before")) * time.Second / 4)
		maps.DeleteFunc(rows, func(_ events.Key, row activesessions.Session) bool { return row.Key == events.Key{} })
		want := len(rows)
		maps.DeleteFunc(rows, func(_ events.Key, row activesessions.Session) bool { return isOld(&row, before) })
		want -= len(rows)
		n, err := store.Sweep(rt.Context(), name, before)
		if err != nil || n != want {
			rt.Fatalf("%d rows before %v were swept, %v; want %d", n, before, err, want)
		}
		maps.DeleteFunc(rows, func(_ events.Key, row activesessions.Session) bool { return row.LoginSequence == 0 })
		for k := range rows {
			if _, _, err := store.Session(rt.Context(), name, k.Session); err != nil {
				rt.Fatalf("session %q: %v", k.Session, err)
			}
		}
	})
}

// isOld reports whether a session ended before a moment, or expired unused since.
func isOld(row *activesessions.Session, before time.Time) bool {
	if row.End != nil {
		return row.End.At.Before(before)
	}
	return row.Expires.Before(before) && row.LastActive.Before(before)
}

// stretched gives a session a life of minutes or of months.
func stretched(e events.Event, factor int64) events.Event {
	if login, ok := e.(events.LoggedIn); ok {
		if login.Created == 0 {
			login.Created = login.EventTimestamp
		}
		login.Created -= events.Timestamp(factor * factor * 60)
		return login
	}
	return e
}
