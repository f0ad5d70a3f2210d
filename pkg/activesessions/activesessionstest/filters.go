package activesessionstest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/eventlog"
)

func filterIsLiteral(t *testing.T, factory Factory) {
	s := open(t, factory)
	names := []string{
		"Müller", "mueller", "100%", "100 %", "a_b", "aXb", `back\slash`, "STRASSE", "ΣΊΣΥΦΟΣ", "한국어", "line\nbreak", "O'Brien", "tail",
	}
	for i, name := range names {
		login := s.login(fmt.Sprintf("u%02d", i), "s")
		login.Personal.Username, login.Personal.DisplayName = name, "Head "+name
		s.happens(login)
	}
	for filter, want := range map[string][]string{
		"mül":       {"Müller"},
		"MÜLLER":    {"Müller"},
		"%":         {"100%", "100 %"},
		"0%":        {"100%"},
		"_":         {"a_b"},
		"a_b":       {"a_b"},
		`\`:         {`back\slash`},
		`k\s`:       {`back\slash`},
		"strasse":   {"STRASSE"},
		"σίσυφος":   {"ΣΊΣΥΦΟΣ"},
		"국어":        {"한국어"},
		"o'b":       {"O'Brien"},
		"linebreak": {"line\nbreak"},
		"tailHead":  nil, // not from the username into the display name
		"head tail": {"tail"},
		"\x01":      names, // nothing but a control character is no filter
		"":          names,
		"zz":        nil,
		"'; --":     nil,
	} {
		page := s.users(activesessions.UsersQuery{Filter: filter})
		got := usernames(page.Users)
		if !slices.Equal(got, slices.Sorted(slices.Values(want))) || page.Total != len(want) || page.Sessions != len(names) {
			t.Errorf("filter %q finds %q of %d, %d sessions; want %q and %d", filter, got, page.Total, page.Sessions, want, len(names))
		}
	}
}

func usernames(users []activesessions.User) []string {
	names := make([]string, 0, len(users))
	for _, u := range users {
		names = append(names, u.Username)
	}
	slices.Sort(names)
	return names
}

var (
	// genName is of characters that patterns, folding and encodings trip over.
	genName = rapid.StringOfN(rapid.RuneFrom([]rune("aAbB% _\\.'\x00\x01\n\u212a한국ßΣς😀")), 0, 7, -1)
	// genLetters makes names that share much.
	genLetters = rapid.StringOfN(rapid.RuneFrom([]rune("abÄ")), 0, 5, -1)
)

// filterFinds compares what filters find with a search through all names, page by
// page.
func filterFinds(t *testing.T, factory Factory) {
	c := &clock{now: opening}
	store := factory(t, c.Now)
	at := map[string]eventlog.Position{}
	cases := 0
	rapid.Check(t, func(rt *rapid.T) {
		cases++ // each in a tenant of its own
		s := &shop{clock: c, t: t, store: store}
		names := rapid.SliceOfN(rapid.OneOf(genName, genLetters), 1, 40).Draw(rt, "names")
		facts := make([]eventlog.Recorded, len(names))
		for i, name := range names {
			login := s.login(fmt.Sprintf("user%02d", i), "s")
			login.Tenant = fmt.Sprint("tenant", cases)
			login.EventTimestamp += events.Timestamp(rapid.IntRange(0, 9).Draw(rt, "second")) * 1000
			login.Created = login.EventTimestamp // which orders a past moment
			login.Personal.Username, login.Personal.DisplayName = name, rapid.OneOf(genName, genLetters).Draw(rt, "display name")
			facts[i] = recorded(login, next(at[events.StreamSessions]), opening)
			facts[i].Sequence = uint64(i + 1)
		}
		replay(rt, store, at, facts)
		for range 5 {
			query := activesessions.UsersQuery{
				Tenant: fmt.Sprint("tenant", cases), Now: opening.Add(10 * time.Second),
				Filter:      rapid.OneOf(genName, genLetters, partOf(names)).Draw(rt, "filter"),
				PageSize:    rapid.IntRange(1, 9).Draw(rt, "page size"),
				CountAtMost: rapid.IntRange(0, 12).Draw(rt, "count at most"),
			}
			expectMatches(rt, store, facts, query)
			query.At = query.Now
			expectMatches(rt, store, facts, query)
		}
	})
}

// partOf makes filters that find something.
func partOf(names []string) *rapid.Generator[string] {
	return rapid.Custom(func(rt *rapid.T) string {
		name := []rune(rapid.SampledFrom(names).Draw(rt, "name"))
		from := rapid.IntRange(0, len(name)).Draw(rt, "from")
		return string(name[from:rapid.IntRange(from, len(name)).Draw(rt, "to")])
	})
}

func expectMatches(rt *rapid.T, store Store, logins []eventlog.Recorded, query activesessions.UsersQuery) {
	want := matchesOf(logins, query.Filter)
	got := make([]string, 0, len(want))
	for q := query; ; {
		page, err := store.Users(rt.Context(), q)
		if err != nil {
			rt.Fatalf("users %+v: %v", q, err)
		}
		total, sessions := query.Counted(len(want)), len(logins)
		if !query.At.IsZero() {
			sessions = query.Counted(sessions)
		}
		if page.Total != total || page.Sessions != sessions {
			rt.Fatalf("%+v counts %d users of %d sessions, want %d and %d", q, page.Total, page.Sessions, total, sessions)
		}
		for _, u := range page.Users {
			got = append(got, u.ID)
		}
		if q.PageToken = page.NextToken; q.PageToken == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		rt.Fatalf("%+v finds %q, want %q", query, got, want)
	}
}

// matchesOf are the ids of users whose login matches, the newest first.
func matchesOf(logins []eventlog.Recorded, filter string) []string {
	logins = slices.Clone(logins)
	slices.SortStableFunc(logins, func(a, b eventlog.Recorded) int {
		return int(b.Event.Occurred() - a.Event.Occurred())
	})
	var matches []string
	for _, fact := range logins {
		login, _ := fact.Event.(events.LoggedIn)
		text := activesessions.SearchText(login.Personal.Username, login.Personal.DisplayName)
		if strings.Contains(text, activesessions.Fold(filter)) {
			matches = append(matches, login.User)
		}
	}
	return matches
}

// expectFiltered walks a filtered list.
func expectFiltered(
	rt *rapid.T, store Store, rows map[events.Key]activesessions.Session, names map[string]string, q activesessions.UsersQuery,
) {
	q.Filter = rapid.SampledFrom([]string{"x", "o", "ZO", "'", "null", "b\\"}).Draw(rt, "filter")
	q.PageSize, q.CountAtMost = rapid.IntRange(0, 2).Draw(rt, "page size"), rapid.IntRange(0, 2).Draw(rt, "count at most")
	want, sessions := map[string]bool{}, 0
	for _, row := range rows {
		if isShown(&row, &q) {
			sessions++
			if strings.Contains(names[row.User], activesessions.Fold(q.Filter)) {
				want[row.User] = true
			}
		}
	}
	got := map[string]bool{}
	for more := true; more; more = q.PageToken != "" {
		page, err := store.Users(rt.Context(), q)
		if err != nil {
			rt.Fatalf("users: %v", err)
		}
		if page.Total != q.Counted(len(want)) || page.Sessions != sessions {
			rt.Fatalf("%+v counts %d users of %d sessions, want %d and %d", q, page.Total, page.Sessions, q.Counted(len(want)), sessions)
		}
		for _, u := range page.Users {
			got[u.ID] = true
		}
		q.PageToken = page.NextToken
	}
	if !maps.Equal(want, got) {
		rt.Fatalf("%+v finds %v, want %v", q, got, want)
	}
}
