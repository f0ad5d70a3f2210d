package screen_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/principal"
)

func form(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

func TestTerminate(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	a := r.postInDialog("anna", form("user", "carl", "session", "carl-1", "key", "abc", "reason", "stolen"))
	pane := a.want(http.StatusOK)

	equal(t, "the card is gone", sessionsOf(pane), "carl-2")
	same(t, "target", a.Header().Get("Hx-Retarget"), "#sessions")
	same(t, "swap", a.Header().Get("Hx-Reswap"), "outerMorph")
	same(t, "trigger", a.Header().Get("Hx-Trigger"), "posse:ended")
	same(t, "position", a.Header().Get("Posse-Position"), "6")
	contains(t, "outcome", pane.one("#outcome[role=status]").says(), "1 session ended.")
	same(t, "tab", pane.one(".tabs a").attr["href"], "/?user=carl")

	ones, users := r.ender.given()
	if len(ones) != 1 || len(users) != 0 {
		t.Fatalf("%d and %d commands were given", len(ones), len(users))
	}
	got := ones[0]
	if got.Session != "carl-1" || got.Reasons != (commands.Reasons{Admin: "stolen"}) || got.Caller.IdempotencyKey != "screen-abc" ||
		got.Caller.Principal.User != "anna" || got.Caller.Principal.Kind != principal.Admin || got.Caller.IP == "" {
		t.Errorf("the command is %+v", got)
	}
}

func TestLogoutOtherDevices(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	pane := r.postInDialog("anna", form("user", "carl", "others", "1", "keep", "carl-2", "key", "abc")).want(http.StatusOK)
	equal(t, "sessions", sessionsOf(pane), "carl-2")
	_, users := r.ender.given()
	if len(users) != 1 || users[0].User != "carl" || users[0].Except != "carl-2" || users[0].Caller.IdempotencyKey != "screen-abc" {
		t.Errorf("the commands are %+v", users)
	}
}

func TestLogoutAll(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	pane := r.postInDialog("anna", form("user", "carl", "all", "1")).want(http.StatusOK)
	contains(t, "pane", pane.one(".empty").says(), "No active sessions")
	contains(t, "outcome", pane.one("#outcome").says(), "2 sessions ended.")
	_, users := r.ender.given()
	if len(users) != 1 || users[0].User != "carl" || users[0].Except != "" || users[0].Caller.IdempotencyKey != "" {
		t.Errorf("the commands are %+v", users)
	}
}

func TestTheReasonOfAUserIsTheirs(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.postInDialog("carl", form("user", "carl", "session", "carl-2", "reason", "sold it")).want(http.StatusOK)
	r.signedIn(r.login("anna", "anna-2", till, 0))
	r.postInDialog("anna", form("user", "anna", "session", "anna-2", "reason", "mine")).want(http.StatusOK)
	ones, _ := r.ender.given()
	if len(ones) != 2 || ones[0].Reasons != (commands.Reasons{User: "sold it"}) || ones[1].Reasons != (commands.Reasons{User: "mine"}) {
		t.Errorf("the commands are %+v", ones)
	}
}

// Whatever the form takes is kept whole, and what is longer is refused: half of a
// reason may say something else.
func TestNoReasonIsCut(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	most, err := strconv.Atoi(r.dialog("anna", "/end?user=carl&all=1").one("textarea").attr["maxlength"])
	if err != nil || most < 300 {
		t.Fatalf("the form takes %d characters, %v", most, err)
	}
	longest := strings.Repeat("€", most)
	r.postInDialog("anna", form("user", "carl", "session", "carl-1", "reason", longest)).want(http.StatusOK)
	ones, _ := r.ender.given()
	same(t, "reason", ones[0].Reasons.Admin, longest)

	r.postInDialog("anna", form("user", "carl", "session", "carl-2", "reason", strings.Repeat("é", events.MaxReason/2+1))).want(http.StatusUnprocessableEntity)
	if ones, _ := r.ender.given(); len(ones) != 1 {
		t.Errorf("something ended for a reason that was refused: %+v", ones)
	}
}

func TestALongKeyIsBounded(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.postInDialog("anna", form("user", "carl", "session", "carl-1", "key", strings.Repeat("k", 5000))).want(http.StatusOK)
	ones, _ := r.ender.given()
	if n := len(ones[0].Caller.IdempotencyKey); n > 255 {
		t.Errorf("the key has %d bytes, which the recorder refuses", n)
	}
}

func TestEndingWithoutAScript(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	a := r.post("anna", form("user", "carl", "session", "carl-1"))
	if a.Code != http.StatusSeeOther {
		t.Fatalf("answer %d %s", a.Code, a.body())
	}
	page := r.get("anna", a.Header().Get("Location")).want(http.StatusOK)
	equal(t, "sessions", sessionsOf(page), "carl-2")
	contains(t, "outcome", page.one("#outcome").says(), "1 session ended.")
	same(t, "selected", page.one("a.user[aria-current=true]").attr["data-user"], "carl")
}

func TestEndingOnesOwnSessionSignsOut(t *testing.T) {
	t.Parallel()
	for name, sent := range map[string]url.Values{
		"terminate": form("user", "anna", "session", "anna-1"),
		"all":       form("user", "anna", "all", "1"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := setup(t)
			r.shop()
			a := r.postInDialog("anna", sent)
			if a.Code != http.StatusOK || a.Header().Get("Hx-Redirect") != "/signin?notice=signed_out" || a.Header().Get("X-Test-Forgotten") == "" {
				t.Errorf("in the dialog: %d %v", a.Code, a.Header())
			}
			r = setup(t)
			r.shop()
			a = r.post("anna", sent)
			if a.Code != http.StatusSeeOther || a.Header().Get("Location") != "/signin?notice=signed_out" || a.Header().Get("X-Test-Forgotten") == "" {
				t.Errorf("without a script: %d %v", a.Code, a.Header())
			}
		})
	}
}

func TestEndingOthersDoesNotSignOut(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.signedIn(r.login("anna", "anna-2", till, 0), r.login("carl", "anna-1", till, 0))
	for _, sent := range []url.Values{
		form("user", "anna", "others", "1", "keep", "anna-1"), form("user", "carl", "all", "1"),
	} {
		a := r.postInDialog("anna", sent)
		a.want(http.StatusOK)
		if a.Header().Get("X-Test-Forgotten") != "" || a.Header().Get("Hx-Redirect") != "" {
			t.Errorf("%v signed anna out", sent)
		}
	}
}

func TestAListThatIsBehindSaysSo(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.shop()
		r.ender.behind = true
		sent := form("user", "carl", "session", "carl-1")
		began := time.Now()
		pane := r.postInDialog("anna", sent).want(http.StatusOK)
		contains(r.T, "outcome", pane.one("#outcome").says(), "1 session ended. The list does not show it yet.")
		if waited := time.Since(began); waited > 10*time.Second {
			r.Errorf("it waited %v", waited)
		}
		a := r.post("anna", sent)
		if a.Code != http.StatusSeeOther {
			r.Fatalf("answer %d %s", a.Code, a.body())
		}
		contains(r.T, "outcome", r.get("anna", a.Header().Get("Location")).want(http.StatusOK).one("#outcome").says(), "1 session ended.")
	})
}

func TestTheListWaitsForThePosition(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.shop()
		r.ender.behind = true
		answers := make(chan answer, 1)
		go func() { answers <- r.postInDialog("anna", form("user", "carl", "session", "carl-1")) }()
		synctest.Wait()
		if len(answers) != 0 {
			r.Fatal("it does not wait")
		}
		r.record(events.StreamSessions, r.revoked("carl", "carl-1", 0))
		pane := (<-answers).want(http.StatusOK)
		equal(r.T, "sessions", sessionsOf(pane), "carl-2")
		same(r.T, "position", pane.one("#sessions").attr["data-position"], "6")
	})
}

func TestAStoreThatFailsAfterTheEndDoesNotHideIt(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.ender.after = func() { r.reader.change(func() { r.reader.fails = errAway }) }
	pane := r.postInDialog("anna", form("user", "carl", "session", "carl-1")).want(http.StatusServiceUnavailable)
	contains(t, "notice", pane.one("[role=alert]").says(), "1 session ended.")
}

func TestEndingIsObserved(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	r := setup(t, observing(func(operation string, status int) { seen[fmt.Sprint(operation, " ", status)]++ }))
	r.shop()
	r.get("anna", "/")
	r.pane("anna", "div#user-list-pane", "/users")
	r.get("anna", "/end?user=carl&all=1")
	r.post("anna", form("user", "carl"))
	r.pane("anna", "div#outcome-body", "/outcome?position=1")
	for _, want := range []string{"screen-page 200", "screen-users 200", "screen-end 200", "screen-end 422", "screen-outcome 200"} {
		if seen[want] != 1 {
			t.Errorf("%s was observed %d times, all of them: %v", want, seen[want], seen)
		}
	}
}
