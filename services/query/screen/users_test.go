package screen_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
)

// crowd signs in anna, and then as many others, the last of them the newest.
func (r *rig) crowd(others int) {
	r.Helper()
	logins := []events.LoggedIn{r.login("anna", "anna-1", firefox, 23*time.Hour)}
	for i := range others {
		user := fmt.Sprintf("user-%04d", i)
		logins = append(logins, r.login(user, user, till, time.Duration(others-i)*time.Second))
	}
	r.signedIn(logins...)
}

func (r *rig) list(who, path string) *node {
	r.Helper()
	return r.pane(who, "div#user-list-pane", path).want(http.StatusOK)
}

func TestUsersAreInTheirOrder(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	page := r.get("anna", "/").want(http.StatusOK)
	equal(t, "users", usersOf(page), "anna", "carl", "otto")
	equal(t, "names", page.list("a.user .name"), "The anna You", "The carl", "The otto")
	equal(t, "handles", page.list("a.user .handle"), "@anna.n", "@carl.n", "@otto.n")
	equal(t, "counts", page.list("a.user .count"), "1 session", "2 sessions", "1 session")
	if page.count("a.user .chip-you") != 1 || page.count("a.user[data-user=anna] .chip-you") != 1 {
		t.Error("the chip is not on anna alone")
	}
	same(t, "heading", page.one(".heading").says(), "3 users signed in")
	same(t, "summary", page.one("#user-list-pane").attr["data-summary"], "3 users signed in, 4 sessions")
}

func TestTheViewerIsFirstFromWhereverTheyAre(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.crowd(120)
	page := r.get("anna", "/").want(http.StatusOK)
	users := usersOf(page)
	if len(users) != 51 || users[0] != "anna" || users[1] != "user-0119" || users[50] != "user-0070" {
		t.Errorf("%d users: %q", len(users), users)
	}
	same(t, "heading", page.one(".heading").says(), "121 users signed in")
}

func TestAViewerWithoutASessionIsNotInTheList(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.signedIn(r.login("carl", "carl-1", ipad, 0))
	page := r.get("anna", "/").want(http.StatusOK)
	equal(t, "users", usersOf(page), "carl")
	contains(t, "who", page.one("#account summary").says(), "anna")
}

func TestTheDotIsForFiveMinutes(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.signedIn(
		r.login("now", "1", till, 0), r.login("recent", "2", till, 5*time.Minute), r.login("late", "3", till, 5*time.Minute+time.Millisecond),
	)
	page := r.get("anna", "/").want(http.StatusOK)
	equal(t, "users", usersOf(page), "now", "recent", "late")
	for user, active := range map[string]int{"now": 1, "recent": 1, "late": 0} {
		row := page.one("a.user[data-user=" + user + "]")
		if row.count(".dot") != active || row.count(".visually-hidden") != 1+active {
			t.Errorf("%s: %d dots", user, row.count(".dot"))
		}
	}
}

func TestNobodyIsSignedIn(t *testing.T) {
	t.Parallel()
	r := setup(t)
	page := r.get("anna", "/").want(http.StatusOK)
	contains(t, "list", page.one("#user-list-pane .empty").says(), "Nobody is signed in")
	same(t, "heading", page.one(".heading").says(), "0 users signed in")
}

func TestUsersAreFiltered(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	for _, test := range []struct {
		filter, heading string
		users           []string
	}{
		{"OTT", "1 user matches", []string{"otto"}},
		{"carl.n", "1 user matches", []string{"carl"}},
		{"the", "3 users match", []string{"anna", "carl", "otto"}},
		{"zoe", "0 users match", nil},
		{"%25", "0 users match", nil},
		{"a_n", "0 users match", nil},
	} {
		a := r.pane("anna", "div#user-list-pane", "/users?q="+test.filter)
		list := a.want(http.StatusOK)
		equal(t, test.filter, usersOf(list), test.users...)
		same(t, test.filter, list.one(".heading").says(), test.heading)
		same(t, test.filter+": summary", list.one("#user-list-pane").attr["data-summary"], test.heading)
		same(t, test.filter+": address", a.Header().Get("Hx-Replace-Url"), "/?q="+test.filter)
		same(t, test.filter+": position", a.Header().Get("Posse-Position"), "5")
	}
}

func TestNobodyMatches(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	list := r.list("anna", "/users?q=nobody&user=carl")
	contains(t, "list", list.one(".empty").says(), "Nobody matches")
	same(t, "way out", list.one(".empty a").attr["href"], "/?user=carl")
}

func TestTheFilterWorksWithoutAScript(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	equal(t, "users", usersOf(r.get("anna", "/?q=carl").want(http.StatusOK)), "carl")
	a := r.get("anna", "/users?q=carl&user=otto")
	if a.Code != http.StatusSeeOther || a.Header().Get("Location") != "/?q=carl&user=otto" {
		t.Errorf("the list as a page is %d %s", a.Code, a.Header().Get("Location"))
	}
}

func TestAFilterIsBounded(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	long := strings.Repeat("%C3%A4bcd", 100) // äbcd
	page := r.get("anna", "/?q="+long).want(http.StatusOK)
	if n := len(page.one("#q").attr["value"]); n > 256 || n < 250 {
		t.Errorf("the filter is %d bytes long", n)
	}
}

func TestMatchesAreCountedUpToABound(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.crowd(1002)
	same(t, "1,002 match", r.list("anna", "/users?q=user-").one(".heading").says(), "More than 1,000 users match")
	same(t, "1,000 match", r.list("anna", "/users?q=user-0").one(".heading").says(), "1,000 users match")
	same(t, "all are counted exactly", r.list("anna", "/users").one(".heading").says(), "1,003 users signed in")
	then := r.list("anna", "/users?at=2026-11-20T14:05:00Z")
	same(t, "1,003 at a moment", then.one(".heading").says(), "More than 1,000 users were signed in")
	same(t, "and its summary", then.one("#user-list-pane").attr["data-summary"], "More than 1,000 users were signed in")
}

// pages follows the links to more users: an attribute of #more names the next page.
func (r *rig) pages(attribute string, open func(path string) *node) (users [][]string) {
	r.Helper()
	page := r.get("anna", "/").want(http.StatusOK)
	for range 10 {
		users = append(users, usersOf(page))
		more := page.one("#more").attr[attribute]
		if more == "" {
			return users
		}
		page = open(more)
	}
	r.Fatal("the pages do not end")
	return nil
}

func TestMoreUsersAreLoaded(t *testing.T) {
	t.Parallel()
	for name, attribute := range map[string]string{"with a script": "hx-get", "without": "href"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := setup(t)
			r.crowd(120)
			pages := r.pages(attribute, func(path string) *node {
				if attribute == "hx-get" {
					return r.pane("anna", "li#more-item", path).want(http.StatusOK)
				}
				return r.get("anna", path).want(http.StatusOK)
			})
			all := slices.Concat(pages...)
			if len(pages) != 3 || len(all) != 121 || all[0] != "anna" || all[1] != "user-0119" || all[120] != "user-0000" {
				t.Errorf("%d pages show %d users", len(pages), len(all))
			}
			slices.Sort(all)
			if len(slices.Compact(all)) != 121 {
				t.Error("somebody is shown twice")
			}
		})
	}
}

func TestALaterPageLeadsBackToTheFirst(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.crowd(60)
	more := r.get("anna", "/?q=user-").want(http.StatusOK).one("#more").attr["href"]
	page := r.get("anna", more).want(http.StatusOK)
	same(t, "link", page.one(".first a").attr["href"], "/?q=user-")
}

func TestAPageTokenThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.crowd(60)
	page := r.get("anna", "/?after=nonsense").want(http.StatusUnprocessableEntity)
	equal(t, "ways out", page.values("main a", "href")[1:], "/")
	item := r.pane("anna", "li#more-item", "/users?after=nonsense").want(http.StatusUnprocessableEntity)
	contains(t, "item", item.one("li#more-item [role=alert]").says(), "This does not make sense")
	if len(r.logged.errors()) != 0 {
		t.Errorf("a stranger's mistake is an error in the log: %q", r.logged.errors())
	}
}

func TestARefreshShowsAsManyAsWereLoaded(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.crowd(2200)
	for rows, want := range map[string]int{"0": 51, "-5": 51, "x": 51, "51": 52, "700": 701, "99999999": 2001} {
		a := r.pane("anna", "div#user-list-pane", "/users?refresh=&rows="+rows)
		list := a.want(http.StatusOK)
		if got := len(usersOf(list)); got != want {
			t.Errorf("rows=%s: %d users, want %d", rows, got, want)
		}
		if list.count("#more") != 1 {
			t.Errorf("rows=%s: no more are offered", rows)
		}
		if a.Header().Get("Hx-Replace-Url") != "" {
			t.Errorf("rows=%s: a refresh changes the address", rows)
		}
	}
}
