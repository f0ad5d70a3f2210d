package screen_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
)

func cause(c events.Cause, by string) func(*events.Revoked) {
	return func(e *events.Revoked) {
		e.Cause, e.Actor, e.Personal = c, events.Actor{User: by}, events.RevokedPersonal{}
	}
}

func TestTheHistorySaysWhenHowAndByWhom(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.record(events.StreamSessions, r.revoked("carl", "carl-2", 10*time.Minute))
	page := r.get("otto", "/?user=carl&view=history").want(http.StatusOK)

	card := page.one("article.card.ended")
	equal(t, "sessions", sessionsOf(page), "carl-2")
	same(t, "chip", card.one(".chip").says(), "Ended")
	same(t, "when", fact(card, "Ended").says(), "2026-11-20 13:55 UTC")
	same(t, "how", fact(card, "How").says(), "Terminated")
	same(t, "by whom", fact(card, "By").says(), "The anna")
	same(t, "why", fact(card, "Reason").says(), "stolen at the till")
	same(t, "expiry", fact(card, "Would have expired").says(), "2026-11-21 14:05 UTC")
	if card.count("a") != 0 {
		t.Error("what has ended can be ended")
	}
	same(t, "heading", page.one("h2#sessions-title").says(), "The carl")
}

func TestWhatEndedByYouSaysSo(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.record(events.StreamSessions, r.revoked("carl", "carl-2", time.Minute))
	card := r.get("anna", "/?user=carl&view=history").want(http.StatusOK).one("article.card")
	same(t, "by whom", fact(card, "By").says(), "The anna You")
}

func TestWhoWasSignedOutIsNotToldWhatIsForAdmins(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.record(events.StreamSessions, r.revoked("carl", "carl-2", time.Minute))
	a := r.get("carl", "/?view=history")
	card := a.want(http.StatusOK).one("article.card")
	same(t, "why", fact(card, "Reason").says(), "please call us")
	if strings.Contains(a.body(), "stolen") || strings.Contains(a.body(), "192.0.2.9") {
		t.Error("carl reads what was written for admins")
	}
	same(t, "by whom", fact(card, "By").says(), "anna")
}

func TestEveryCauseHasWords(t *testing.T) {
	t.Parallel()
	r := setup(t)
	causes := map[events.Cause]string{
		events.CauseLogout: "Signed out on the device", events.CauseTerminate: "Terminated",
		events.CauseLogoutOthers: "Logout Other Devices", events.CauseLogoutAll: "Logout All",
		events.CauseIdle: "Unused for too long", events.CauseCap: "Too many devices at once",
		events.CauseRefreshReuse: "A token was used twice", events.CauseUserDisabled: "User disabled",
		events.CausePolicy: "Ended by a rule",
	}
	for c := range causes {
		r.signedIn(r.login("carl", string(c), till, time.Hour))
		r.record(events.StreamSessions, r.revoked("carl", string(c), time.Minute, cause(c, "")))
	}
	page := r.get("anna", "/?user=carl&view=history").want(http.StatusOK)
	for c, want := range causes {
		card := page.one("article[data-session=" + string(c) + "]")
		same(t, string(c), fact(card, "How").says(), want)
		same(t, string(c), fact(card, "By").says(), "Nobody, by itself")
		same(t, string(c), fact(card, "Reason").says(), "")
	}
}

func TestACauseThatIsNotKnownIsShownAsItIs(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.record(events.StreamSessions, r.revoked("carl", "carl-2", time.Minute, cause("stock_taking", "")))
	card := r.get("anna", "/?user=carl&view=history").want(http.StatusOK).one("article.card")
	same(t, "how", fact(card, "How").says(), "stock_taking")
}

func TestExpiredSessionsAreHistory(t *testing.T) {
	t.Parallel()
	r := setup(t)
	expired := r.login("carl", "carl-9", till, 3*time.Hour)
	expired.Expires = events.TimestampOf(afternoon.Add(-time.Hour))
	r.signedIn(expired)
	r.record(events.StreamSessions, r.revoked("carl", "carl-9", time.Minute)) // too late
	card := r.get("anna", "/?user=carl&view=history").want(http.StatusOK).one("article.card")
	same(t, "when", fact(card, "Ended").says(), "2026-11-20 13:05 UTC")
	same(t, "how", fact(card, "How").says(), "Expired")
	same(t, "by whom", fact(card, "By").says(), "Nobody, by itself")
	same(t, "last active", fact(card, "Last active").says(), "3 hours ago")
}

func TestWhoEndedItMayBeGone(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.record(events.StreamSessions,
		r.revoked("carl", "carl-1", time.Minute, cause(events.CauseTerminate, "left-the-company")),
		r.revoked("carl", "carl-2", 2*time.Minute, cause(events.CauseTerminate, "carl")))
	page := r.get("anna", "/?user=carl&view=history").want(http.StatusOK)
	same(t, "by whom", fact(page.one("article[data-session=carl-1]"), "By").says(), "left-the-company")
	same(t, "by whom", fact(page.one("article[data-session=carl-2]"), "By").says(), "The carl")
}

func TestTheHistoryIsOfNewestEndFirst(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.record(events.StreamSessions, r.revoked("carl", "carl-1", 2*time.Minute), r.revoked("carl", "carl-2", time.Minute))
	equal(t, "sessions", sessionsOf(r.get("anna", "/?user=carl&view=history").want(http.StatusOK)), "carl-2", "carl-1")
}

func TestALongHistoryIsCutAndSaysSo(t *testing.T) {
	t.Parallel()
	r := setup(t)
	end := func(from, to int) {
		for i := from; i < to; i++ {
			id := fmt.Sprintf("carl-%03d", i)
			r.signedIn(r.login("carl", id, till, 24*time.Hour))
			r.record(events.StreamSessions, r.revoked("carl", id, time.Duration(200-i)*time.Minute))
		}
	}
	end(0, 100)
	page := r.get("anna", "/?user=carl&view=history").want(http.StatusOK)
	if n := len(sessionsOf(page)); n != 100 || strings.Contains(page.one("#sessions").says(), "Older sessions") {
		t.Errorf("%d of 100 sessions are shown", n)
	}
	end(100, 101)
	page = r.get("anna", "/?user=carl&view=history").want(http.StatusOK)
	list := sessionsOf(page)
	if len(list) != 100 || list[0] != "carl-100" || list[99] != "carl-001" {
		t.Errorf("of 101 sessions %d are shown, from %s to %s", len(list), list[0], list[len(list)-1])
	}
	contains(t, "pane", page.one("#sessions").says(), "Older sessions are not listed here")
}

func TestThereIsNoHistory(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	page := r.get("anna", "/?user=carl&view=history").want(http.StatusOK)
	contains(t, "pane", page.one("#sessions .empty").says(), "No ended sessions")
	same(t, "name is that of the active ones", page.one("h2#sessions-title").says(), "The carl")
	same(t, "summary", page.one("#sessions").attr["data-summary"], "")
}

func TestNamesAreLookedUpOnceEach(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	for i := range 20 {
		id := fmt.Sprintf("carl-x%d", i)
		r.signedIn(r.login("carl", id, till, time.Hour))
		r.record(events.StreamSessions, r.revoked("carl", id, time.Minute))
	}
	_, before := r.reader.counts()
	r.pane("anna", "section#sessions", "/?user=carl&view=history").want(http.StatusOK)
	if _, after := r.reader.counts(); after-before > 2 {
		t.Errorf("a history that anna made takes %d reads, want 2: the rows and anna", after-before)
	}
}

// A form sends what its fields hold, and nothing of the address that it stands at.
func TestFilteringLeavesOneInTheHistory(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	page := r.get("anna", "/?user=carl&view=history").want(http.StatusOK)
	same(t, "view", page.one("#filter input[name=view]").attr["value"], "history")
	if n := r.get("anna", "/?user=carl").want(http.StatusOK).count("#filter input[name=view]"); n != 0 {
		t.Errorf("the filter of the active sessions has %d fields for a view", n)
	}
	a := r.pane("anna", "div#user-list-pane", "/users?user=carl&view=history&q=carl")
	same(t, "address", a.Header().Get("Hx-Replace-Url"), "/?q=carl&user=carl&view=history")
}
