package activesessionstest

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/device"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// pagingUnderChurn walks the list while people work, come and go.
func pagingUnderChurn(t *testing.T, factory Factory) {
	const users, size = 60, 7
	for _, query := range []activesessions.UsersQuery{
		{PageSize: size},
		{PageSize: size, Filter: "USER"},
		{PageSize: size, Filter: "SER", CountAtMost: 3},
		{PageSize: size, Filter: "U", CountAtMost: 1000},
		{PageSize: 3, Filter: "1"},
		{PageSize: 3, Filter: "R1", CountAtMost: 2},
	} {
		s := open(t, factory)
		for i := range users {
			s.happens(s.login(fmt.Sprintf("user%02d", i), strconv.Itoa(i)))
			s.advance(time.Second)
		}
		random := rand.New(rand.NewPCG(1, 2))
		left := map[string]bool{}
		for round := range 3 {
			walked := s.walk(query, func() { s.churn(random, users, left) })
			seen := map[string]int{}
			for _, u := range walked {
				seen[u.ID]++
			}
			for i := range users {
				id := fmt.Sprintf("user%02d", i)
				isMissed := seen[id] == 0 && !left[id] && strings.Contains(activesessions.Fold(id), query.Filter)
				if seen[id] > 1 || isMissed {
					t.Errorf("%+v, round %d: %s was shown %d times", query, round, id, seen[id])
				}
			}
		}
	}
}

// pagingWithClocksThatDiffer asks for every second page by a clock that is behind the
// writer's, while those at the end of the list are at work.
func pagingWithClocksThatDiffer(t *testing.T, factory Factory) {
	const users, behind = 10, 20 * time.Second
	s := open(t, factory)
	for i := range users {
		s.happens(s.login(fmt.Sprintf("user%d", i), strconv.Itoa(i)))
		s.advance(time.Second)
	}
	for _, filter := range []string{"", "USER", "U"} {
		seen := map[string]int{}
		query := activesessions.UsersQuery{PageSize: 3, Filter: filter}
		for page := range users {
			query.Now = s.Now().Add(-behind * time.Duration(page%2))
			found := s.users(query)
			for _, u := range found.Users {
				seen[u.ID]++
			}
			if query.PageToken = found.NextToken; query.PageToken == "" {
				break
			}
			s.othersWork(users, seen)
		}
		for i := range users {
			if id := fmt.Sprintf("user%d", i); seen[id] != 1 {
				t.Errorf("filter %q: %s was shown %d times", filter, id, seen[id])
			}
		}
	}
}

// othersWork has everybody make a request who was not seen.
func (s *shop) othersWork(users int, seen map[string]int) {
	for i := range users {
		if id := fmt.Sprintf("user%d", i); seen[id] == 0 {
			s.happens(s.touch(id, strconv.Itoa(i)))
			s.advance(time.Second)
		}
	}
}

// churn is what happens while somebody turns a page: people work, one leaves,
// one comes.
func (s *shop) churn(random *rand.Rand, users int, left map[string]bool) {
	for range 20 {
		s.advance(time.Second)
		i := random.IntN(users)
		s.happens(s.touch(fmt.Sprintf("user%02d", i), strconv.Itoa(i)))
	}
	i := random.IntN(users)
	gone := fmt.Sprintf("user%02d", i)
	left[gone] = true
	s.happens(s.end(gone, strconv.Itoa(i)), s.login(fmt.Sprintf("new%d", random.IntN(1000)), "n"))
}

func tenThousandUsers(t *testing.T, factory Factory) {
	const users = 10_000
	s := open(t, factory)
	for first := 0; first < users; first += 2000 {
		var facts []events.Event
		for i := first; i < first+2000; i++ {
			facts = append(facts, s.login(fmt.Sprintf("user%05d", i), strconv.Itoa(i)))
		}
		s.happens(facts...)
		s.advance(time.Minute)
	}
	seen := map[string]bool{}
	walked := s.walk(activesessions.UsersQuery{PageSize: activesessions.MaxPageSize}, func() {
		i := len(seen) * 7 % users
		s.happens(s.touch(fmt.Sprintf("user%05d", i), strconv.Itoa(i)))
	})
	for _, u := range walked {
		if seen[u.ID] {
			t.Errorf("%s was shown twice", u.ID)
		}
		seen[u.ID] = true
	}
	if len(seen) != users {
		t.Errorf("%d users were shown, want %d", len(seen), users)
	}
	for _, most := range []int{0, 5, 1000} {
		for filter, want := range map[string]int{"till USER0123": 10, "9": 3439, "r": users, "R0": users, "r00": 1000, "x": 0} {
			if most > 0 {
				want = min(want, most+1)
			}
			page := s.users(activesessions.UsersQuery{Filter: filter, PageSize: 3, CountAtMost: most})
			if page.Total != want || len(page.Users) != min(want, 3) || page.Sessions != users {
				t.Errorf("filter %q finds %d on a page of %d, %d sessions; want %d on a page of %d, and %d",
					filter, page.Total, len(page.Users), page.Sessions, want, min(want, 3), users)
			}
		}
	}
}

func pageTokens(t *testing.T, factory Factory) {
	s := open(t, factory)
	for i := range 5 {
		s.happens(s.login(fmt.Sprintf("user%d", i), strconv.Itoa(i)))
	}
	query := activesessions.UsersQuery{Tenant: tenant, Now: s.Now(), PageSize: 2}
	token := s.users(query).NextToken
	if token == "" || len(token) > 512 {
		t.Fatalf("the first page has token %q", token)
	}
	change := func(edit func(*activesessions.UsersQuery)) activesessions.UsersQuery {
		q := query
		q.PageToken = token
		edit(&q)
		return q
	}
	for name, q := range map[string]activesessions.UsersQuery{
		"another tenant": change(func(q *activesessions.UsersQuery) { q.Tenant = "butcher" }),
		"another filter": change(func(q *activesessions.UsersQuery) { q.Filter = "user" }),
		"another user":   change(func(q *activesessions.UsersQuery) { q.User = "user1" }),
		"another moment": change(func(q *activesessions.UsersQuery) { q.At = opening }),
		"a day later":    change(func(q *activesessions.UsersQuery) { q.Now = q.Now.Add(24 * time.Hour) }),
		"cut":            change(func(q *activesessions.UsersQuery) { q.PageToken = token[:len(token)-1] }),
		"longer":         change(func(q *activesessions.UsersQuery) { q.PageToken = token + "A" }),
		"much longer":    change(func(q *activesessions.UsersQuery) { q.PageToken = strings.Repeat(token, 100) }),
		"not ours":       change(func(q *activesessions.UsersQuery) { q.PageToken = "'; drop table users; --" }),
		"changed":        change(func(q *activesessions.UsersQuery) { q.PageToken = "B" + token[1:] }),
	} {
		if _, err := s.store.Users(t.Context(), q); !errors.Is(err, activesessions.ErrPageToken) {
			t.Errorf("%s: %v, want ErrPageToken", name, err)
		}
	}
	query.PageToken, query.PageSize = token, 500 // another size is fine
	if page := s.users(query); len(page.Users) != 3 || page.NextToken != "" || page.Total != 5 {
		t.Errorf("the rest is %+v, want 3 users of 5", page)
	}
}

// countsAreExact compares pages with a reckoning over all rows, at many moments
// in random histories.
func countsAreExact(t *testing.T, factory Factory) {
	c := &clock{now: opening}
	store := factory(t, c.Now)
	at := map[string]eventlog.Position{}
	cases := 0
	rapid.Check(t, func(rt *rapid.T) {
		cases++ // each in a tenant of its own
		moveTo := fmt.Sprint("tenant", cases)
		since := c.Now().Sub(opening) // the store's clock does not go back by much
		rows, names := map[events.Key]activesessions.Session{}, map[string]string{}
		history := History().Draw(rt, "history")
		for i := range history {
			history[i].Event = withTenant(delayed(history[i].Event, since), moveTo)
			history[i].Time = history[i].Time.Add(since)
			key := history[i].Event.SessionKey()
			rows[key] = activesessions.Merge(rows[key], history[i], device.Device{})
			switch e := history[i].Event.(type) {
			case events.LoggedIn:
				names[e.User] = activesessions.SearchText(e.Personal.Username, e.Personal.DisplayName)
			case events.Forgotten:
				names[e.User] = ""
			}
		}
		replay(rt, store, at, history)
		for range 4 {
			c.advance(time.Duration(rapid.IntRange(-4, 40).Draw(rt, "wait")) * 125 * time.Millisecond)
			if rapid.Bool().Draw(rt, "settle") {
				if err := store.Current(t.Context(), events.StreamTouches, c.Now()); err != nil {
					rt.Fatalf("current: %v", err)
				}
			}
			expectCounts(rt, store, rows, activesessions.UsersQuery{Tenant: moveTo, Now: c.Now()})
			expectCounts(rt, store, rows, activesessions.UsersQuery{Tenant: moveTo, Now: c.Now().Add(-20 * time.Second)})
			expectCounts(rt, store, rows, activesessions.UsersQuery{Tenant: moveTo, Now: c.Now(), At: c.Now()})
			expectFiltered(rt, store, rows, names, activesessions.UsersQuery{Tenant: moveTo, Now: c.Now()})
		}
	})
}

// delayed has a fact come later, with all that it says of times.
func delayed(e events.Event, by time.Duration) events.Event {
	move := func(times ...*events.Timestamp) {
		for _, at := range times {
			if *at != 0 {
				*at += events.Timestamp(by.Milliseconds())
			}
		}
	}
	switch e := e.(type) {
	case events.LoggedIn:
		move(&e.EventTimestamp, &e.Created, &e.Expires)
		return e
	case events.Refreshed:
		move(&e.EventTimestamp, &e.Expires)
		return e
	case events.Touched:
		move(&e.EventTimestamp)
		return e
	case events.Revoked:
		move(&e.EventTimestamp, &e.Expires)
		return e
	default:
		return e
	}
}

// withTenant moves a fact to another tenant. Where two sessions become one they
// are one in the reckoning too.
func withTenant(e events.Event, to string) events.Event {
	switch e := e.(type) {
	case events.LoggedIn:
		e.Tenant = to
		return e
	case events.Refreshed:
		e.Tenant = to
		return e
	case events.Touched:
		e.Tenant = to
		return e
	case events.Revoked:
		e.Tenant = to
		return e
	case events.Forgotten:
		e.Tenant = to
		return e
	default:
		return e
	}
}

func expectCounts(rt *rapid.T, store Store, rows map[events.Key]activesessions.Session, q activesessions.UsersQuery) {
	page, err := store.Users(rt.Context(), q)
	if err != nil {
		rt.Fatalf("users: %v", err)
	}
	want := map[string]activesessions.User{}
	sessions := 0
	for _, row := range rows {
		if !isShown(&row, &q) {
			continue
		}
		u := want[row.User]
		u.Sessions++
		if row.LastActive.After(u.LastActive) {
			u.LastActive = row.LastActive
		}
		want[row.User] = u
		sessions++
	}
	if page.Total != len(want) || page.Sessions != sessions || len(page.Users) != len(want) {
		rt.Fatalf("at %v/%v: page of %d, total %d, %d sessions; want %d and %d",
			q.Now, q.At, len(page.Users), page.Total, page.Sessions, len(want), sessions)
	}
	for _, u := range page.Users {
		if w := want[u.ID]; w.Sessions != u.Sessions || !w.LastActive.Equal(u.LastActive) {
			rt.Fatalf("at %v/%v: user %+v, want %+v", q.Now, q.At, u, w)
		}
	}
	if !slices.IsSortedFunc(page.Users, func(a, b activesessions.User) int {
		return cmp.Or(b.LastActive.Compare(a.LastActive), cmp.Compare(a.ID, b.ID))
	}) {
		rt.Fatalf("at %v: users are not by newest activity: %+v", q.Now, page.Users)
	}
}

// isShown reports whether a query means a row, and brings it to the moment.
func isShown(row *activesessions.Session, q *activesessions.UsersQuery) bool {
	if row.Tenant != q.Tenant {
		return false
	}
	if q.At.IsZero() {
		return row.Open(q.Now)
	}
	shown := row.Active(q.At)
	row.AsOf(q.At)
	return shown
}

// batchesAreAtomic logs people in and out by pairs while others read: no page
// ever shows one of a pair.
func batchesAreAtomic(t *testing.T, factory Factory) {
	s := open(t, factory)
	var done atomic.Bool
	var readers errgroup.Group
	for range 4 {
		readers.Go(func() error {
			for !done.Load() {
				page, err := s.store.Users(t.Context(), activesessions.UsersQuery{Tenant: tenant, Now: opening})
				if err != nil {
					return err
				}
				n := 0
				for _, u := range page.Users {
					n += u.Sessions
				}
				if n%2 != 0 || n != page.Sessions || page.Total != len(page.Users) || uint64(n) != page.Position {
					return fmt.Errorf("half a batch: %+v", page)
				}
			}
			return nil
		})
	}
	for i := range 30 {
		s.happens(s.login("ana", fmt.Sprint("a", i)), s.login("ben", fmt.Sprint("b", i)))
	}
	done.Store(true)
	if err := readers.Wait(); err != nil {
		t.Error(err)
	}
}
