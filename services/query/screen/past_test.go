package screen_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
)

// yesterday is a shop whose people signed in over two days.
func yesterday(t *testing.T) *rig {
	t.Helper()
	r := setup(t)
	day := 24 * time.Hour
	logins := []events.LoggedIn{
		r.login("anna", "anna-1", firefox, 2*day),
		r.login("carl", "carl-1", ipad, day),
		r.login("carl", "carl-2", till, day),
		r.login("otto", "otto-1", firefox, time.Hour),
	}
	for i := range logins {
		logins[i].Created = logins[i].EventTimestamp
	}
	r.signedIn(logins...)
	r.record(events.StreamSessions, r.revoked("carl", "carl-2", 2*time.Hour))
	return r
}

func TestAPastMomentShowsWhoWasSignedIn(t *testing.T) {
	t.Parallel()
	r := yesterday(t)
	page := r.get("anna", "/?user=carl&at=2026-11-20T11:00:00Z").want(http.StatusOK)

	banner := page.one("#past")
	contains(t, "banner", banner.says(), "You are looking at the past: 2026-11-20 11:00 UTC")
	same(t, "way back", banner.one("a").attr["href"], "/?user=carl")
	equal(t, "users", usersOf(page), "anna", "carl")
	equal(t, "sessions", sessionsOf(page), "carl-1", "carl-2")
	same(t, "heading", page.one(".heading").says(), "2 users were signed in")
	same(t, "moment", page.one("input#at").attr["data-moment"], "2026-11-20T11:00:00Z")
	same(t, "the filter keeps the moment", page.one("#filter input[name=at]").attr["value"], "2026-11-20T11:00:00Z")
	equal(t, "users are of the moment", page.values("a.user", "href"),
		"/?at=2026-11-20T11%3A00%3A00Z&user=anna", "/?at=2026-11-20T11%3A00%3A00Z&user=carl")
	if fact(page.one("article.card"), "Last active").one("time").attr["data-form"] != "moment" {
		t.Error("the past is counted from now")
	}
}

func TestThePastCannotBeChanged(t *testing.T) {
	t.Parallel()
	r := yesterday(t)
	for _, path := range []string{"/?user=carl&at=2026-11-20T11:00:00Z", "/?user=carl&view=history&at=2026-11-20T13:00:00Z"} {
		a := r.get("anna", path)
		page := a.want(http.StatusOK)
		if strings.Contains(a.body(), "/end") || page.count("[aria-haspopup=dialog]") != 0 {
			t.Errorf("%s offers to end something", path)
		}
		if page.count(".stream") != 0 {
			t.Errorf("%s is live", path)
		}
		if len(sessionsOf(page)) == 0 {
			t.Errorf("%s shows no session", path)
		}
	}
	contains(t, "why", r.get("anna", "/?user=carl&at=2026-11-20T11:00:00Z").page().one("#sessions").says(), "Sessions of the past cannot be ended")
}

func TestWhoWasActiveThen(t *testing.T) {
	t.Parallel()
	r := yesterday(t)
	// Two minutes after otto signed in.
	page := r.get("anna", "/?user=otto&at=2026-11-20T13:07:00Z").want(http.StatusOK)
	same(t, "chip", page.one("article .chip-active").says(), "Active then")
	row := page.one("a.user[data-user=otto]")
	same(t, "dot", row.one(".dot").attr["title"], "Active then")
	if strings.Contains(page.one("main").says(), "Active now") {
		t.Errorf("somebody is active now, in the past: %s", row.says())
	}
	// A second before carl's till was signed out.
	same(t, "then", strings.Join(sessionsOf(r.get("anna", "/?user=carl&at=2026-11-20T12:04:59Z").page()), " "), "carl-1 carl-2")
	same(t, "after", strings.Join(sessionsOf(r.get("anna", "/?user=carl&at=2026-11-20T12:05:00Z").page()), " "), "carl-1")
}

func TestBeforeAnybodySignedIn(t *testing.T) {
	t.Parallel()
	r := yesterday(t)
	page := r.get("anna", "/?user=carl&at=2026-11-01T00:00:00Z").want(http.StatusOK)
	contains(t, "list", page.one("#user-list-pane .empty").says(), "Nobody was signed in")
	contains(t, "pane", page.one("#sessions .empty").says(), "Not signed in at that moment")
}

func TestTheHistoryOfAPastMoment(t *testing.T) {
	t.Parallel()
	r := yesterday(t)
	equal(t, "before it ended", sessionsOf(r.get("anna", "/?user=carl&view=history&at=2026-11-20T12:00:00Z").want(http.StatusOK)))
	equal(t, "after", sessionsOf(r.get("anna", "/?user=carl&view=history&at=2026-11-20T13:00:00Z").want(http.StatusOK)), "carl-2")
}

func TestAMomentIsTakenAsBrowsersSendIt(t *testing.T) {
	t.Parallel()
	r := yesterday(t)
	for _, at := range []string{
		"2026-11-20T11:00:00Z", "2026-11-20T12:00:00+01:00", "2026-11-20T11:00", "2026-11-20T11:00:00", "2026-11-20 11:00", "2026-11-20T11:00:00.000Z",
	} {
		page := r.get("anna", "/?at="+url.QueryEscape(at)).want(http.StatusOK)
		same(t, at, page.one("#past time").attr["datetime"], "2026-11-20T11:00:00.000Z")
	}
}

func TestALinkInThePastIsOfTheMomentThatIsShown(t *testing.T) {
	t.Parallel()
	r := yesterday(t)
	page := r.get("anna", "/?at=2026-11-20T11:00:00.999Z").want(http.StatusOK)
	shown := page.one("#past time").attr["datetime"]
	next := r.get("anna", page.one("a.user").attr["href"]).want(http.StatusOK)
	same(t, "moment", next.one("#past time").attr["datetime"], shown)
}

func TestAMomentThatIsNoneIsSaidToBe(t *testing.T) {
	t.Parallel()
	r := yesterday(t)
	for _, at := range []string{
		"nonsense", "2026-13-01T00:00:00Z", "2027-01-01T00:00:00Z", "9999-12-31T23:59:59-23:00", "0001-01-01T00:00:00Z",
		"0000-01-01T00:00:00+14:00", "<script>", strings.Repeat("9", 4000), "\xff\x00",
	} {
		query := "at=" + url.QueryEscape(at) + "&user=carl"
		page := r.get("anna", "/?"+query).want(http.StatusUnprocessableEntity)
		contains(t, at, page.one("[role=alert]").says(), "cannot be shown")
		equal(t, "ways out", page.values("[role=alert] a", "href"), "/?user=carl", "/")
		if n := len(page.one("[role=alert]").says()); n > 300 {
			t.Errorf("%.20q is answered at length: %d bytes", at, n)
		}
		for _, test := range []struct{ target, path string }{
			{"section#sessions", "/?"}, {"div#user-list-pane", "/users?"}, {"li#more-item", "/users?after=x&"},
		} {
			pane := r.pane("anna", test.target, test.path+query).want(http.StatusUnprocessableEntity)
			_, id, _ := strings.Cut(test.target, "#")
			if pane.count("#"+id+" [role=alert]") != 1 || pane.count("html") != 0 {
				t.Errorf("%s for %s is no notice in its place", test.path, test.target)
			}
			same(t, "way out", pane.one("[role=alert] a").attr["href"], "/?user=carl")
		}
	}
	if len(r.logged.errors()) != 0 {
		t.Errorf("a stranger's mistake is an error in the log: %q", r.logged.errors())
	}
}

func TestTheMomentThatIsNowIsNotTheFuture(t *testing.T) {
	t.Parallel()
	r := yesterday(t)
	r.get("anna", "/?at=2026-11-20T14:05:00Z").want(http.StatusOK)
	r.get("anna", "/?at=2026-11-20T14:05:01Z").want(http.StatusUnprocessableEntity)
}

func TestMoreUsersOfAPastMoment(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.crowd(60)
	r.clock.forward(time.Hour)
	page := r.get("anna", "/?at=2026-11-20T14:05:00Z").want(http.StatusOK)
	more := r.pane("anna", "li#more-item", page.one("#more").attr["hx-get"]).want(http.StatusOK)
	if first, second := len(usersOf(page)), len(usersOf(more)); first+second != 61 {
		t.Errorf("%d and %d users, want 61", first, second)
	}
	for _, link := range more.values("a.user", "href") {
		contains(t, "link", link, "at=2026-11-20T14%3A05%3A00Z")
	}
}
