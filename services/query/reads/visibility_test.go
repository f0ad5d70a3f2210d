package reads_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/services/query/reads"
)

// visible says of everybody who looks whose sessions they see.
var visible = []struct {
	name   string
	viewer principal.Principal
	sees   []string
}{
	{"an admin", anna, []string{"anna", "carl", "otto"}},
	{"an auditor", otto, []string{"anna", "carl", "otto"}},
	{"a user", carl, []string{"carl"}},
	{"an admin of another tenant", zoe, []string{"zoe"}},
	{"a backend", backend, nil},
	{"nobody", nobody, nil},
}

var everybody = []string{"anna", "carl", "otto", "zoe", "missing", "", strings.Repeat("x", 129), "\xff"}

// ids are those of sessions, in their order.
func ids(rows []reads.Session) []string {
	list := make([]string, len(rows))
	for i := range rows {
		list[i] = rows[i].Session.Session
	}
	return list
}

func users(page reads.UsersPage) []string {
	list := make([]string, len(page.Users))
	for i := range page.Users {
		list[i] = page.Users[i].ID
	}
	return list
}

func equal(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func TestWhoSeesWhoseSessions(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	for _, test := range visible {
		l := r.reads.LookAnyone(test.viewer)
		for _, user := range everybody {
			rows, _, err := l.Sessions(t.Context(), user, false, 0)
			if slices.Contains(test.sees, user) {
				if err != nil || len(rows) == 0 {
					t.Errorf("%s does not see %q: %v", test.name, user, err)
				}
			} else if !errors.Is(err, commands.ErrNotFound) || err.Error() != "commands: not_found: there is no such user" || rows != nil {
				t.Errorf("%s is answered %v, %v for %.10q", test.name, ids(rows), err, user)
			}
			if _, _, err = l.Sessions(t.Context(), user, true, 0); slices.Contains(test.sees, user) != (err == nil) {
				t.Errorf("%s is answered %v for the history of %.10q", test.name, err, user)
			}
		}
	}
}

func TestWhoFindsWhichSession(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	owners := map[string]string{"anna-1": "anna", "carl-1": "carl", "carl-0": "carl", "otto-1": "otto", "zoe-1": "zoe"}
	for _, test := range visible {
		l := r.reads.LookAnyone(test.viewer)
		for session, owner := range owners {
			sees := slices.Contains(test.sees, owner)
			for _, user := range []string{"", owner, "missing"} {
				row, _, err := l.Session(t.Context(), session, user)
				if sees && user != "missing" {
					if err != nil || row.User != owner || row.Session.Session != session {
						t.Errorf("%s does not find %s of %q: %v", test.name, session, user, err)
					}
				} else if !errors.Is(err, commands.ErrNotFound) || err.Error() != "commands: not_found: there is no such session" || row.User != "" {
					t.Errorf("%s is answered %v, %v for %s of %q", test.name, row.Key, err, session, user)
				}
			}
		}
		for _, none := range []string{"missing", "", "\xff", strings.Repeat("x", 129)} {
			if _, _, err := l.Session(t.Context(), none, ""); !errors.Is(err, commands.ErrNotFound) {
				t.Errorf("%s is answered %v for %.10q", test.name, err, none)
			}
		}
	}
}

func TestIDsThatCannotBeAreNotLookedUp(t *testing.T) {
	t.Parallel()
	r := setup(t)
	l := r.look(anna)
	for _, id := range []string{"", "\xff", strings.Repeat("x", 129)} {
		_, _, _ = l.Sessions(t.Context(), id, false, 0)
		_, _, _ = l.Session(t.Context(), id, "")
	}
	if n := r.reader.questions(); n != 0 {
		t.Errorf("the store was asked %d times", n)
	}
}

func TestWhoSeesWhomInTheList(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	for _, test := range visible {
		l := r.reads.LookAnyone(test.viewer)
		page, err := l.Users(t.Context(), reads.UsersQuery{})
		got := users(page)
		slices.Sort(got)
		if len(test.sees) > 0 && err != nil { // a list for those who see nobody may be refused or empty
			t.Fatal(err)
		}
		equal(t, test.name, got, test.sees...)
		if err == nil && page.Total != len(test.sees) || len(test.sees) > 0 && page.Position != r.at {
			t.Errorf("%s: %d in all, at %d", test.name, page.Total, page.Position)
		}
	}
}

func TestAUserIsTheirWholeList(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	l := r.look(carl)
	for _, q := range []reads.UsersQuery{{}, {User: "anna"}, {User: "carl"}, {PageSize: 500}, {Filter: "the"}} {
		page, err := l.Users(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "users", users(page), "carl")
		if page.Total != 1 || page.Sessions != 2 || page.NextToken != "" || !page.Users[0].IsYou {
			t.Errorf("%+v is answered %+v", q, page)
		}
	}
	page, err := l.Users(t.Context(), reads.UsersQuery{Filter: "anna"})
	if err != nil || len(page.Users) != 0 {
		t.Errorf("anna is found: %+v, %v", page, err)
	}
}

func TestUsersAreNewestFirstAndPaged(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	l := r.look(anna)
	first, err := l.Users(t.Context(), reads.UsersQuery{PageSize: 2, CountAtMost: 1})
	if err != nil || first.NextToken == "" || first.Total != 2 || first.Sessions != 4 {
		t.Fatalf("first page is %+v, %v", first, err)
	}
	second, err := l.Users(t.Context(), reads.UsersQuery{PageSize: 2, PageToken: first.NextToken})
	if err != nil || second.NextToken != "" || second.Total != 3 {
		t.Fatalf("second page is %+v, %v", second, err)
	}
	equal(t, "users", append(users(first), users(second)...), "otto", "carl", "anna")
	if u := second.Users[0]; !u.IsYou || u.ActiveNow || u.DisplayName != "The anna" || u.Sessions != 1 {
		t.Errorf("anna is %+v", u)
	}
	if u := first.Users[0]; u.IsYou || !u.ActiveNow {
		t.Errorf("otto is %+v", u)
	}
}

func TestSessionsOfSeveralUsers(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	for _, test := range visible {
		found, fresh, err := r.reads.LookAnyone(test.viewer).SessionsOf(t.Context(), everybody)
		if err != nil || fresh.Position != r.at {
			t.Fatal(err, fresh)
		}
		got := make([]string, 0, len(found))
		for user, rows := range found {
			got = append(got, user)
			for i := range rows {
				if rows[i].User != user || rows[i].Tenant != test.viewer.Tenant || rows[i].State != reads.StateActive {
					t.Errorf("%s gets %+v for %s", test.name, rows[i], user)
				}
			}
		}
		slices.Sort(got)
		equal(t, test.name, got, test.sees...)
	}
	found, _, err := r.look(anna).SessionsOf(t.Context(), []string{"carl", "carl"})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "carl's", ids(found["carl"]), "carl-2", "carl-1")
	if found, _, err = r.look(anna).SessionsOf(t.Context(), nil); err != nil || len(found) != 0 {
		t.Errorf("nobody's are %v, %v", found, err)
	}
}

func TestAUserWithoutSuchSessionsIsNotNobody(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.record(revoked("otto", "otto-1", time.Minute))
	l := r.look(anna)
	for user, ended := range map[string]bool{"otto": false, "anna": true} {
		if rows, _, err := l.Sessions(t.Context(), user, ended, 0); err != nil || len(rows) != 0 {
			t.Errorf("%s: %v, %v", user, ids(rows), err)
		}
	}
	stranger := principal.Principal{Kind: principal.User, Tenant: "shop", User: "new", Session: "new-1"}
	if rows, _, err := r.look(stranger).Sessions(t.Context(), "new", false, 0); err != nil || len(rows) != 0 {
		t.Errorf("somebody is told that they are not there: %v, %v", rows, err)
	}
}

func TestOfSessionsThatShareAnIDTheFirstVisibleIsTaken(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.record(
		login("shop", "carl", "shared", 3*time.Hour), login("shop", "anna", "shared", 2*time.Hour), login("other", "zoe", "shared", 4*time.Hour),
	)
	for _, test := range []struct {
		viewer     principal.Principal
		user, want string
	}{
		{anna, "", "carl"},
		{anna, "anna", "anna"},
		{anna, "carl", "carl"},
		{anna, "zoe", ""},
		{carl, "", "carl"},
		{carl, "anna", ""},
		{zoe, "", "zoe"},
		{otto, "", "carl"},
		{principal.Principal{Kind: principal.User, Tenant: "shop", User: "anna"}, "", "anna"},
	} {
		row, _, err := r.look(test.viewer).Session(t.Context(), "shared", test.user)
		if row.User != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%s asks for that of %q and gets that of %q, %v", test.viewer.User, test.user, row.User, err)
		}
	}
}

func TestOwn(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.record(login("shop", "eve", "anna-1", time.Minute)) // an id that is not hers alone
	own, ok, err := r.look(anna).Own(t.Context())
	if err != nil || !ok || own.User != "anna" || !own.IsCurrent {
		t.Errorf("anna's own is %+v, %v, %v", own.Key, ok, err)
	}
	for name, viewer := range map[string]principal.Principal{
		"without a session":            {Kind: principal.Admin, Tenant: "shop", User: "anna"},
		"whose session is not there":   {Kind: principal.Admin, Tenant: "shop", User: "anna", Session: "gone"},
		"whose session is of somebody": {Kind: principal.Admin, Tenant: "shop", User: "anna", Session: "carl-1"},
	} {
		if own, ok, err := r.look(viewer).Own(t.Context()); err != nil || ok || own.User != "" {
			t.Errorf("somebody %s has %+v, %v, %v", name, own.Key, ok, err)
		}
	}
	r.reader.fails = errors.New("away")
	if _, ok, err := r.look(anna).Own(t.Context()); err == nil || ok {
		t.Error("a store that is away says that anna has no session")
	}
}

func TestNameOf(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	renamed := login("shop", "carl", "carl-3", time.Minute)
	renamed.Personal = events.LoginPersonal{Username: "c", DisplayName: "Carl the new", AvatarURL: "https://pictures.example/new"}
	r.record(renamed, revoked("otto", "otto-1", time.Minute))
	for user, want := range map[string][3]string{
		"carl":    {"c", "Carl the new", "https://pictures.example/new"},
		"otto":    {"otto.n", "The otto", "https://pictures.example/otto"}, // whose sessions have ended
		"missing": {},
		"zoe":     {},
	} {
		username, display, avatar := r.reads.NameOf(t.Context(), "shop", user)
		if got := [3]string{username, display, avatar}; got != want {
			t.Errorf("%s is called %q, want %q", user, got, want)
		}
	}
	r.reader.fails = errors.New("away")
	if username, display, _ := r.reads.NameOf(t.Context(), "shop", "carl"); username+display != "" {
		t.Errorf("a store that is away names %q %q", username, display)
	}
}
