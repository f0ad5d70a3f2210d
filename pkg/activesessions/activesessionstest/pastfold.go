package activesessionstest

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/device"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// pastIsAFold asks for random moments of random histories, as the recorder decides
// them, and compares with a fold of the facts that had happened by then.
func pastIsAFold(t *testing.T, factory Factory) {
	c := &clock{now: opening.Add(time.Hour)}
	store := factory(t, c.Now)
	at := map[string]eventlog.Position{}
	cases := 0
	rapid.Check(t, func(rt *rapid.T) {
		cases++ // each in a tenant of its own
		moveTo := fmt.Sprint("past", cases)
		history := decidedHistory(rt, moveTo)
		replay(rt, store, at, Disorder(rt, history))
		moments := rapid.SliceOfN(pastMinute, 1, 6).Draw(rt, "moments")
		for _, moment := range moments {
			expectPast(rt, store, moveTo, history, moment.Time(), c.Now())
		}
	})
}

// pastMinute is a time at which things happen, or between them.
var pastMinute = rapid.Custom(func(rt *rapid.T) events.Timestamp {
	return stamp(opening) + events.Timestamp(rapid.IntRange(-2, 60).Draw(rt, "half minute"))*30_000
})

// decidedHistory is what the recorder lets happen: nothing refreshes a session
// that expired or ended, and one ends once. Touches come whenever they like, but not
// before the login.
func decidedHistory(rt *rapid.T, moveTo string) []eventlog.Recorded {
	sessions := rapid.IntRange(0, 6).Draw(rt, "sessions")
	facts := make([]events.Event, 0, sessions)
	for i := range sessions {
		facts = append(facts, decidedSession(rt, events.Key{
			Tenant: moveTo, User: rapid.SampledFrom([]string{"u", "v", "w"}).Draw(rt, "user"), Session: fmt.Sprint("s", i),
		})...)
	}
	positions := map[bool]eventlog.Position{false: {Stream: events.StreamSessions}, true: {Stream: events.StreamTouches}}
	history := make([]eventlog.Recorded, len(facts))
	for i, fact := range facts {
		isTouch := fact.EventType() == events.TypeTouched
		positions[isTouch] = next(positions[isTouch])
		history[i] = recorded(fact, positions[isTouch], fact.Occurred().Time())
	}
	return history
}

func decidedSession(rt *rapid.T, k events.Key) []events.Event {
	minutes := func(name string, least int) events.Timestamp {
		return events.Timestamp(rapid.IntRange(least, 20).Draw(rt, name)) * 60_000
	}
	login := genLogin(rt)
	login.Key = k
	login.EventTimestamp = stamp(opening) + minutes("at", 0)
	login.Created = login.EventTimestamp
	login.Expires = login.Created + minutes("life", 1)
	facts := []events.Event{login}
	expires, now, ended := login.Expires, login.Created, false
	for range rapid.IntRange(0, 5).Draw(rt, "facts") {
		now += minutes("later", 0) / 4
		switch rapid.SampledFrom([]string{"refresh", "touch", "touch", "end"}).Draw(rt, "type") {
		case "refresh":
			if ended || now >= expires {
				continue
			}
			expires = max(expires, now+minutes("longer", 0))
			facts = append(facts, events.Refreshed{Key: k, EventTimestamp: now, Expires: expires, Personal: genDevicePersonal(rt)})
		case "touch":
			facts = append(facts, events.Touched{Key: k, EventTimestamp: now, Personal: genDevicePersonal(rt)})
		case "end":
			if ended || now >= expires {
				continue
			}
			ended = true
			end := genRevoked(rt)
			end.Key, end.EventTimestamp = k, now
			facts = append(facts, end)
		}
	}
	return facts
}

// foldUntil is the rows of the facts that had happened by a moment.
func foldUntil(history []eventlog.Recorded, at time.Time) map[events.Key]activesessions.Session {
	devices, rows := devicesOf(history), map[events.Key]activesessions.Session{}
	for _, fact := range history {
		if fact.Event.Occurred().Time().After(at) {
			continue
		}
		var dev device.Device
		if login, ok := fact.Event.(events.LoggedIn); ok {
			dev = devices[activesessions.DeviceHash(login)]
		}
		k := fact.Event.SessionKey()
		rows[k] = activesessions.Merge(rows[k], fact, dev)
	}
	return rows
}

// remembered is what a row can say at a moment of what was then: all but what a
// later fact overwrote.
func remembered(then, whole activesessions.Session, at time.Time) activesessions.Session {
	then.Expires, then.Generation = whole.Expires, whole.Generation
	if whole.LastActive.After(at) {
		then.LastActive = at
	}
	if whole.IPAt.After(at) {
		then.IP, then.IPAt = "", time.Time{}
	}
	if whole.UserAgentAt.After(at) {
		then.UserAgent, then.UserAgentAt = "", time.Time{}
	}
	if then.End == nil {
		then.Later = whole.End
	}
	return then
}

func expectPast(rt *rapid.T, store Store, in string, history []eventlog.Recorded, at, now time.Time) {
	whole := foldUntil(history, now)
	active, over := map[string][]activesessions.Session{}, map[string][]activesessions.Session{}
	sessions := 0
	for k, row := range foldUntil(history, at) {
		// By the expiry that was known then, not by the one that is known now.
		list := over
		if row.Active(at) {
			list = active
			sessions++
		}
		row = remembered(row, whole[k], at)
		list[k.User] = append(list[k.User], row)
		expectOnePast(rt, store, row, at)
	}
	query := activesessions.UsersQuery{Tenant: in, At: at, Now: now}
	expectPastUsers(rt, store, query, active, sessions)
	for _, query.CountAtMost = range []int{1, 2, 100} {
		expectPastUsers(rt, store, query, active, sessions)
	}
	for _, user := range []string{"u", "v", "w"} {
		for isOver, want := range map[bool][]activesessions.Session{false: active[user], true: over[user]} {
			query := activesessions.SessionsQuery{Tenant: in, User: user, At: at, Now: now, Ended: isOver}
			got, _, err := store.Sessions(rt.Context(), query)
			if err != nil {
				rt.Fatalf("sessions: %v", err)
			}
			sortByID(got)
			sortByID(want)
			if diff := gocmp.Diff(want, got); diff != "" {
				rt.Fatalf("at %v: sessions of %s, ended %v (-want +got):\n%s", at, user, isOver, diff)
			}
		}
	}
}

func expectPastUsers(
	rt *rapid.T, store Store, query activesessions.UsersQuery, active map[string][]activesessions.Session, sessions int,
) {
	page, err := store.Users(rt.Context(), query)
	if err != nil {
		rt.Fatalf("users: %v", err)
	}
	total, sessions := query.Counted(len(active)), query.Counted(sessions)
	if page.Total != total || page.Sessions != sessions || len(page.Users) != len(active) {
		rt.Fatalf("%+v: a page of %d, %d users, %d sessions; want %d, %d and %d",
			query, len(page.Users), page.Total, page.Sessions, len(active), total, sessions)
	}
	for _, u := range page.Users {
		last := slices.MaxFunc(active[u.ID], func(a, b activesessions.Session) int { return a.LastActive.Compare(b.LastActive) })
		if u.Sessions != len(active[u.ID]) || !u.LastActive.Equal(last.LastActive) {
			rt.Fatalf("%+v: user %+v, want %d sessions, active %v", query, u, len(active[u.ID]), last.LastActive)
		}
	}
	query.PageSize = 1
	if walked := walkPast(rt, store, query); len(walked) != len(active) {
		rt.Fatalf("%+v: pages of one show %v, want %d users", query, walked, len(active))
	}
}

func expectOnePast(rt *rapid.T, store Store, want activesessions.Session, at time.Time) {
	found, _, err := store.Session(rt.Context(), want.Tenant, want.Session)
	if err != nil || len(found) != 1 {
		rt.Fatalf("session %s: %d found, %v", want.Session, len(found), err)
	}
	found[0].AsOf(at)
	if diff := gocmp.Diff(want, found[0]); diff != "" {
		rt.Fatalf("at %v: session %s (-want +got):\n%s", at, want.Session, diff)
	}
}

// walkPast returns the users on all pages, and fails if one is there twice.
func walkPast(rt *rapid.T, store Store, query activesessions.UsersQuery) []string {
	var walked []string
	for {
		page, err := store.Users(rt.Context(), query)
		if err != nil {
			rt.Fatalf("users: %v", err)
		}
		for _, u := range page.Users {
			if slices.Contains(walked, u.ID) {
				rt.Fatalf("at %v: %s is on two pages", query.At, u.ID)
			}
			walked = append(walked, u.ID)
		}
		if query.PageToken = page.NextToken; query.PageToken == "" {
			return walked
		}
	}
}

func sortByID(sessions []activesessions.Session) {
	slices.SortFunc(sessions, func(a, b activesessions.Session) int { return cmp.Compare(a.Session, b.Session) })
}
