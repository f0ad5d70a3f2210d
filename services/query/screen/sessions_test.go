package screen_test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/services/query/screen"
)

// fact is what a card says under a heading.
func fact(card *node, heading string) *node {
	for _, pair := range card.all("dl.facts div") {
		name := pair.one("dt")
		if name.count(".tip") > 0 { // the name, and an explanation
			name = &node{text: name.one(".tip").kids[0].text}
		}
		if name.says() == heading {
			return pair.one("dd")
		}
	}
	return &node{}
}

func TestTheCurrentSessionIsFirst(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.signedIn(r.login("anna", "anna-2", till, time.Hour), r.login("anna", "anna-3", ipad, time.Minute))
	page := r.get("anna", "/?user=anna").want(http.StatusOK)
	equal(t, "sessions", sessionsOf(page), "anna-1", "anna-3", "anna-2")
	equal(t, "current", page.values("article.current", "data-session"), "anna-1")
	equal(t, "chips", page.list("article .chip"), "Current device", "Active now")
	same(t, "you", page.one("h2#sessions-title").says(), "The anna You")
}

func TestASessionIDOfAnotherUserIsNotTheCurrentOne(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.signedIn(r.login("carl", "anna-1", till, 0))
	page := r.get("anna", "/?user=carl").want(http.StatusOK)
	equal(t, "sessions", sessionsOf(page), "anna-1", "carl-1", "carl-2")
	equal(t, "current", page.values("article.current", "data-session"))
}

func TestACardSaysWhatTheDeviceIs(t *testing.T) {
	t.Parallel()
	const safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
	r := setup(t)
	for i, test := range []struct{ agent, title, system, icon string }{
		{ipad, "iOS Application, WCPOS 1.8.1", "iOS", "#i-mobile"},
		{"WCPOS/1.8.1 (android; build 231)", "Android Application, WCPOS 1.8.1", "Android", "#i-mobile"},
		{till, "Desktop Application, WCPOS 1.8.1", "Windows", "#i-desktop"},
		{firefox, "Web Application, Firefox 140", "Linux", "#i-desktop"},
		{safari, "Web Application, Mobile Safari 17.5", "iOS 17.5", "#i-mobile"},
		{"curl/8", "Web Application", "", "#i-web"},
		{"", "Web Application", "", "#i-web"},
	} {
		user := fmt.Sprint("user-", i)
		r.signedIn(r.login(user, user, test.agent, 0))
		card := r.get("anna", "/?user="+user).want(http.StatusOK).one("article.card")
		contains(t, test.agent, card.one("h3").says(), test.title)
		contains(t, test.agent, card.one(".sub").says(), test.system)
		same(t, test.agent, card.one("header use").attr["href"], test.icon)
	}
}

func TestACardSaysWhenAndFromWhere(t *testing.T) {
	t.Parallel()
	r := setup(t, func(c *screen.Config) { c.TouchInterval = 90 * time.Second })
	r.shop()
	card := r.get("anna", "/?user=carl").want(http.StatusOK).one("article[data-session=carl-1]")

	same(t, "last active", fact(card, "Last active").says(), "2 minutes ago")
	same(t, "IP", fact(card, "IP").says(), "192.0.2.7")
	same(t, "created", fact(card, "Created").says(), "2026-11-20 13:03 UTC")
	same(t, "expires", fact(card, "Expires").says(), "2026-11-21 14:05 UTC")
	same(t, "label", card.one(".label").says(), "Counter 3")
	same(t, "user agent", card.one("details code").says(), ipad)
	contains(t, "precision", card.one("[role=tooltip]").says(), "at the latest 90 seconds after")
	same(t, "precision is that of the button", card.one(".tip button").attr["aria-describedby"], card.one("[role=tooltip]").attr["id"])
	equal(t, "terminate", card.values("a.danger", "href"), "/end?session=carl-1&user=carl")
}

func TestACardSaysWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	r := setup(t)
	login := r.login("carl", "carl-1", "", 0)
	login.Personal.IP, login.Personal.Username, login.Personal.DisplayName = "", "", ""
	r.signedIn(login)
	page := r.get("anna", "/?user=carl").want(http.StatusOK)
	card := page.one("article.card")
	same(t, "IP", fact(card, "IP").says(), "N/A")
	same(t, "user agent", card.one("details").says(), "User AgentNone was sent.")
	same(t, "name", page.one("h2#sessions-title").says(), "carl")
	same(t, "name in the list", page.one("a.user .name").says(), "carl")
	if page.count(".handle") != 0 {
		t.Error("a handle is made up")
	}
}

func TestTimesAreForMachinesAndPeople(t *testing.T) {
	t.Parallel()
	r := setup(t)
	for idle, want := range map[time.Duration]string{
		-time.Minute:           "Just now", // clocks differ
		0:                      "Just now",
		59 * time.Second:       "Just now",
		time.Minute:            "1 minute ago",
		59*time.Minute + 59e9:  "59 minutes ago",
		time.Hour:              "1 hour ago",
		23*time.Hour + 59*6e10: "23 hours ago",
		24 * time.Hour:         "1 day ago",
		50 * 24 * time.Hour:    "50 days ago",
	} {
		user := fmt.Sprint("idle-", idle)
		r.signedIn(r.login(user, user, till, idle))
		at := fact(r.get("anna", "/?user="+user).want(http.StatusOK).one("article.card"), "Last active").one("time")
		same(t, idle.String(), at.says(), want)
		moment := afternoon.Add(-idle)
		same(t, "datetime", at.attr["datetime"], moment.Format("2006-01-02T15:04:05.000Z"))
		same(t, "title", at.attr["title"], moment.Format("2006-01-02 15:04:05")+" UTC")
		same(t, "form", at.attr["data-form"], "ago")
	}
}

func TestEveryTimeOnAPageHasADateAndUTC(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.record(events.StreamSessions, r.revoked("carl", "carl-2", time.Minute))
	for _, path := range []string{"/?user=carl", "/?user=carl&view=history", "/?user=carl&at=2026-11-20T14:00:00Z", "/end?user=carl&others=1"} {
		times := r.get("anna", path).want(http.StatusOK).all("time")
		if len(times) == 0 {
			t.Errorf("%s shows no time", path)
		}
		for _, at := range times {
			moment, err := time.Parse("2006-01-02T15:04:05.000Z", at.attr["datetime"])
			if err != nil || moment.Year() != 2026 || at.attr["title"] != moment.Format("2006-01-02 15:04:05")+" UTC" {
				t.Errorf("%s: time is %v", path, at.attr)
			}
		}
	}
}

func TestLogoutOthersIsForMoreThanOneSession(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	two := r.get("anna", "/?user=carl").want(http.StatusOK)
	equal(t, "actions", two.list(".actions a"), "Logout Other Devices", "Logout All")
	equal(t, "actions", two.values(".actions a", "href"), "/end?others=1&user=carl", "/end?all=1&user=carl")
	equal(t, "terminate", two.values("article a.danger", "href"), "/end?session=carl-1&user=carl", "/end?session=carl-2&user=carl")
	one := r.get("anna", "/?user=otto").want(http.StatusOK)
	equal(t, "actions", one.list(".actions a"), "Logout All")
}

func TestEndedAndExpiredSessionsAreNotActive(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	expired := r.login("carl", "carl-3", firefox, time.Hour)
	expired.Expires = events.TimestampOf(afternoon)
	r.signedIn(expired)
	r.record(events.StreamSessions, r.revoked("carl", "carl-2", 0))
	page := r.get("anna", "/?user=carl").want(http.StatusOK)
	equal(t, "sessions", sessionsOf(page), "carl-1")
	same(t, "tab", page.one(".tabs a").says(), "Active 1")
}

func TestAUserWithoutActiveSessions(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.record(events.StreamSessions, r.revoked("carl", "carl-1", time.Minute), r.revoked("carl", "carl-2", time.Minute))
	page := r.get("anna", "/?user=carl").want(http.StatusOK)
	contains(t, "pane", page.one("#sessions .empty").says(), "No active sessions")
	same(t, "name is that of the history", page.one("h2#sessions-title").says(), "The carl")
	equal(t, "actions", page.list(".actions a"))
	equal(t, "users", usersOf(page), "anna", "otto")
	same(t, "stream", page.one(".stream").attr["hx-sse:connect"], "/live?since=7-0&user=carl")
}

func TestTheViewerMayHaveNoSession(t *testing.T) {
	t.Parallel()
	r := setup(t)
	page := r.get("carl", "/").want(http.StatusOK)
	contains(t, "pane", page.one("#sessions .empty").says(), "No active sessions")
	equal(t, "users", usersOf(page))
}

func TestActivityIsShown(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.record(events.StreamTouches, events.Touched{
		Key:            events.Key{Tenant: "shop", User: "carl", Session: "carl-2"},
		EventTimestamp: events.TimestampOf(afternoon), Personal: events.DevicePersonal{IP: "2001:db8::1"},
	})
	page := r.get("anna", "/?user=carl").want(http.StatusOK)
	equal(t, "sessions", sessionsOf(page), "carl-2", "carl-1")
	same(t, "IP", fact(page.one("article.card"), "IP").says(), "2001:db8::1")
	same(t, "stream", page.one(".stream").attr["hx-sse:connect"], "/live?since=5-1&user=carl")
}

func TestInitialsAndColours(t *testing.T) {
	t.Parallel()
	r := setup(t)
	for id, name := range map[string]string{"1": "ada lovelace", "2": "Çelik", "3": "\u674e \u5c0f\u9f8d", "4": "…", "5": "Jean-Luc van der Berg"} {
		login := r.login(id, "s-"+id, till, 0)
		login.Personal.DisplayName = name
		r.signedIn(login)
	}
	page := r.get("anna", "/").want(http.StatusOK)
	for id, want := range map[string]string{"1": "AL", "2": "Ç", "3": "\u674e\u5c0f", "4": "?", "5": "JB"} {
		avatar := page.one("a.user[data-user=" + id + "] .avatar")
		same(t, id, avatar.one(".avatar").says()+avatar.kids[0].text, want)
		same(t, id, avatar.attr["aria-hidden"], "true")
		large := r.get("anna", "/?user="+id).want(http.StatusOK).one("#sessions .avatar")
		same(t, "colour of "+id, large.attr["class"], "avatar large "+avatar.attr["class"][len("avatar "):])
	}
}

// A screen looks again when the first of the sessions it shows expires.
func TestThePaneSaysWhenTheFirstSessionExpires(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	short := r.login("carl", "carl-3", till, time.Minute)
	short.Expires = events.TimestampOf(afternoon.Add(time.Minute))
	r.signedIn(short)
	for path, want := range map[string]string{
		"/?user=carl":              strconv.FormatInt(afternoon.Add(time.Minute).UnixMilli(), 10),
		"/?user=carl&view=history": "", // what expires comes here
		"/":                        "",
	} {
		same(t, path, r.get("anna", path).want(http.StatusOK).one("section#sessions").attr["data-next"], want)
	}
}
