package activesessionstest

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
)

func (s *shop) listOf(query activesessions.SessionsOfQuery) (map[string][]activesessions.Session, activesessions.Freshness) {
	s.t.Helper()
	query.Now = s.Now()
	if query.Tenant == "" {
		query.Tenant = tenant
	}
	sessions, fresh, err := s.store.SessionsOf(s.t.Context(), query)
	if err != nil {
		s.t.Fatalf("sessions of %+v: %v", query, err)
	}
	return sessions, fresh
}

// expectOf compares what one question for all answers with what is wanted, and
// with a question for each.
func (s *shop) expectOf(at time.Time, users []string, want map[string][]string) {
	s.t.Helper()
	sessions, fresh := s.listOf(activesessions.SessionsOfQuery{Users: users, At: at})
	got := map[string][]string{}
	for user, of := range sessions {
		got[user] = ids(of)
		if diff := cmp.Diff(s.list(activesessions.SessionsQuery{User: user, At: at}), of); diff != "" {
			s.t.Errorf("at %v sessions of %s (-by themselves +among others):\n%s", at, user, diff)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("at %v sessions of %q (-want +got):\n%s", at, users, diff)
	}
	if fresh.Position != s.sessions.Sequence || fresh.Touches != s.touches.Sequence {
		s.t.Errorf("they are as of %+v, want %d and %d", fresh, s.sessions.Sequence, s.touches.Sequence)
	}
}

// severalAtOnce has users with sessions in every state, and strange names.
func severalAtOnce(t *testing.T, factory Factory) {
	s := open(t, factory)
	short := s.login("ana", "short")
	short.Expires = stamp(opening.Add(time.Hour))
	s.happens(s.login("ana", "1"), short, s.login("ben", "2"), s.login("a\x00b", "3"), s.login("gone", "4"), s.login("other", "5"))
	s.advance(time.Minute)
	s.happens(s.login("ben", "7"), s.login("ben", "6"), s.login("ana", "8"), s.end("gone", "4"))
	s.advance(time.Minute)
	s.happens(s.touch("ana", "1"), s.touch("stub", "9"), s.refresh("stub", "10", shift))
	everybody := []string{"gone", "ben", "stub", "ana", "a\x00b", "nobody", "", "ana"}
	s.expectOf(time.Time{}, everybody, map[string][]string{
		"ana": {"1", "8", "short"}, "ben": {"6", "7", "2"}, "a\x00b": {"3"},
	})
	s.expectOf(opening, everybody, map[string][]string{
		"ana": {"1", "short"}, "ben": {"2"}, "a\x00b": {"3"}, "gone": {"4"},
	})
	s.expectOf(opening.Add(-time.Second), everybody, map[string][]string{})
	s.expectOf(time.Time{}, nil, map[string][]string{})
	s.advance(time.Hour)
	s.expectOf(time.Time{}, []string{"ana"}, map[string][]string{"ana": {"1", "8"}})
	for _, foreign := range []string{"butcher", "bakery\x00", "Bakery"} {
		if got, _ := s.listOf(activesessions.SessionsOfQuery{Tenant: foreign, Users: everybody}); len(got) != 0 {
			t.Errorf("tenant %q sees %v", foreign, got)
		}
	}
}

// atMostOfEach has a user with more sessions than anybody may have, which only
// foreign backends can give.
func atMostOfEach(t *testing.T, factory Factory) {
	s := open(t, factory)
	facts := make([]events.Event, 0, events.MaxActiveSessions+3)
	facts = append(facts, s.login("ben", "b"))
	for i := range events.MaxActiveSessions + 2 {
		login := s.login("ana", fmt.Sprintf("%04d", i))
		login.EventTimestamp += events.Timestamp(i)
		facts = append(facts, login)
	}
	s.happens(facts...)
	got, _ := s.listOf(activesessions.SessionsOfQuery{Users: []string{"ana", "ben"}})
	ana := ids(got["ana"])
	slices.Reverse(ana)
	if len(ana) != events.MaxActiveSessions || ana[0] != "0002" || !slices.IsSorted(ana) {
		t.Errorf("of ana there are %d sessions from %q on, want the %d newest", len(ana), ana[:1], events.MaxActiveSessions)
	}
	if got := ids(got["ben"]); !slices.Equal(got, []string{"b"}) {
		t.Errorf("of ben there are %v, want [b]", got)
	}
}

// countsStop has a user who left without a write: the summaries do not know it
// yet, but counts do.
func countsStop(t *testing.T, factory Factory) {
	s := open(t, factory)
	for i := range 7 {
		login := s.login("user"+strconv.Itoa(i), strconv.Itoa(i))
		if i == 3 {
			login.Expires = stamp(opening.Add(time.Hour))
		}
		s.happens(login)
	}
	s.happens(s.login("somebody", "s"))
	s.advance(time.Hour)
	s.expectCounts(7, activesessions.UsersQuery{PageSize: 2})
	s.expectCounts(6, activesessions.UsersQuery{PageSize: 2, Filter: "USER"})
	s.expectCounts(7, activesessions.UsersQuery{})
	s.expectCounts(6, activesessions.UsersQuery{Filter: "USER"})
	s.expectCounts(1, activesessions.UsersQuery{Filter: "b"})
	s.expectCounts(0, activesessions.UsersQuery{Filter: "nobody"})
	s.expectCounts(1, activesessions.UsersQuery{User: "user1"})
	s.expectCounts(8, activesessions.UsersQuery{At: opening})
	s.expectCounts(7, activesessions.UsersQuery{At: opening, Filter: "user"})
}

// expectCounts asks with every bound around a number of users.
func (s *shop) expectCounts(users int, query activesessions.UsersQuery) {
	s.t.Helper()
	exact := s.users(query)
	if exact.Total != users {
		s.t.Errorf("%+v counts %d users, want %d", query, exact.Total, users)
	}
	for most := 1; most < users+3; most++ {
		query.CountAtMost = most
		page := s.users(query)
		if want := min(users, most+1); page.Total != want {
			s.t.Errorf("%+v counts %d users, want %d", query, page.Total, want)
		}
		if !query.At.IsZero() {
			if want := min(exact.Sessions, most+1); page.Sessions != want {
				s.t.Errorf("%+v counts %d sessions, want %d", query, page.Sessions, want)
			}
			page.Sessions = exact.Sessions
		}
		page.Total, page.NextToken = exact.Total, exact.NextToken
		if diff := cmp.Diff(exact, page); diff != "" {
			s.t.Errorf("%+v shows another page (-exact +bounded):\n%s", query, diff)
		}
	}
}
