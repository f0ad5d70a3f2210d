package screen_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
)

// A forgotten user goes by their id, and so do their sessions.
func TestAForgottenUserIsShownByTheirID(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.record(events.StreamSessions, r.revoked("carl", "carl-2", time.Minute),
		events.Forgotten{Tenant: "shop", User: "carl", EventTimestamp: events.TimestampOf(r.clock.now())})

	page := r.get("anna", "/?user=carl&view=history").want(http.StatusOK)
	equal(t, "users", usersOf(page), "anna", "carl", "otto")
	equal(t, "names", page.list("a.user .name"), "The anna You", "carl", "The otto")
	equal(t, "handles", page.list("a.user .handle"), "@anna.n", "@otto.n")
	same(t, "heading", page.one("h2#sessions-title").says(), "carl")
	same(t, "how", fact(page.one("article.card.ended"), "How").says(), "Terminated")
	for _, path := range []string{"/?user=carl", "/?user=carl&view=history"} {
		body := r.get("anna", path).body()
		for _, personal := range []string{"The carl", "carl.n", "Counter 3", "stolen", "192.0.2.9"} {
			if strings.Contains(body, personal) {
				t.Errorf("%s shows %q", path, personal)
			}
		}
	}
	if users := usersOf(r.get("anna", "/?q=carl.n").want(http.StatusOK)); len(users) != 0 {
		t.Errorf("the forgotten name is found: %q", users)
	}
	// Somebody new with that id has a name of their own.
	next := r.login("carl", "carl-3", till, 0)
	next.Personal.DisplayName = "Carla"
	r.signedIn(next)
	page = r.get("anna", "/?user=carl").want(http.StatusOK)
	same(t, "heading", page.one("h2#sessions-title").says(), "Carla")
}
