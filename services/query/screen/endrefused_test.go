package screen_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/posse-pos/posse/pkg/commands"
)

func TestHostileForms(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	for _, test := range []struct {
		who  string
		sent url.Values
		want int
	}{
		{"anna", form(), http.StatusNotFound},
		{"anna", form("user", "carl"), http.StatusUnprocessableEntity},
		{"anna", form("user", "carl", "session", ""), http.StatusUnprocessableEntity},
		{"anna", form("user", "carl", "others", "1"), http.StatusUnprocessableEntity},
		{"anna", form("user", "carl", "others", "1", "keep", ""), http.StatusUnprocessableEntity},
		{"anna", form("user", "carl", "keep", "carl-1"), http.StatusUnprocessableEntity},
		{"anna", form("user", "carl", "all", "1", "keep", "carl-1"), http.StatusUnprocessableEntity},
		{"anna", form("user", "carl", "all", "1", "session", "carl-1"), http.StatusUnprocessableEntity},
		{"anna", form("user", "carl", "session", "anna-1"), http.StatusNotFound},
		{"anna", form("user", "carl", "session", "zoe-1"), http.StatusNotFound},
		{"anna", form("user", "carl", "session", strings.Repeat("x", 200)), http.StatusNotFound},
		{"anna", form("user", "carl", "session", "\xff\x00"), http.StatusNotFound},
		{"anna", form("user", "\xff", "all", "1"), http.StatusNotFound},
		{"anna", form("user", "carl", "session", "carl-1", "reason", strings.Repeat("x", 17<<10)), http.StatusUnprocessableEntity},
		{"otto", form("user", "carl", "session", "carl-1"), http.StatusForbidden},
		{"otto", form("user", "carl", "all", "1"), http.StatusForbidden},
		{"carl", form("user", "anna", "session", "anna-1"), http.StatusNotFound},
		{"carl", form("user", "carl", "session", "anna-1"), http.StatusNotFound},
		{"carl", form("user", "nobody", "all", "1"), http.StatusNotFound},
		{"zoe", form("user", "zoe", "session", "carl-1"), http.StatusNotFound},
		{"backend", form("user", "carl", "all", "1"), http.StatusForbidden},
	} {
		page := r.post(test.who, test.sent).want(test.want)
		if page.count("[role=alert]") != 1 {
			t.Errorf("%s, %v: no notice", test.who, test.sent)
		}
		pane := r.postInDialog(test.who, test.sent).want(test.want)
		if pane.count("h2#dialog-title") != 1 || pane.count("html") != 0 {
			t.Errorf("%s, %.60v: no notice in the dialog", test.who, test.sent)
		}
	}
	if ones, users := r.ender.given(); len(ones)+len(users) != 0 {
		t.Errorf("something was ended: %v %v", ones, users)
	}
	if len(r.logged.errors()) != 0 {
		t.Errorf("a stranger's mistake is an error in the log: %q", r.logged.errors())
	}
}

func TestWhatIsInTheAddressIsNotInTheForm(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	a := r.send("anna", http.MethodPost, "/end?user=carl&all=1", "")
	a.want(http.StatusNotFound)
	a = r.send("anna", http.MethodPost, "/end?user=carl&all=1", `{"user":"carl","all":"1"}`, "Content-Type", "application/json")
	a.want(http.StatusNotFound)
	if ones, users := r.ender.given(); len(ones)+len(users) != 0 {
		t.Errorf("something was ended: %v %v", ones, users)
	}
}

func TestWhatTheRecorderRefusesIsSaid(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	for reason, title := range map[commands.Reason]string{
		commands.ReasonUnavailable:       "Not available at the moment",
		commands.ReasonBusy:              "Not available at the moment",
		commands.ReasonForbidden:         "You may not do this",
		commands.ReasonNotFound:          "It is not there",
		commands.ReasonIdempotencyReused: "It was done already",
		commands.ReasonSessionEnded:      "It was done already",
		commands.ReasonInternal:          "Something went wrong",
	} {
		r.ender.away = commands.NewError(reason, "because")
		a := r.post("anna", form("user", "carl", "session", "carl-1"))
		page := a.want(commands.NewError(reason, "").Status())
		same(t, string(reason), page.one("[role=alert] h2").says(), title)
		same(t, "try again", page.one("[role=alert] a").attr["href"], "/end?session=carl-1&user=carl")
		if strings.Contains(page.says(), "because") || strings.Contains(page.says(), "Nothing was changed") {
			t.Errorf("%s is answered with what is not for people, or not known: %s", reason, page.one("main").says())
		}
		if (a.Code == http.StatusServiceUnavailable) != (a.Header().Get("Retry-After") != "") {
			t.Errorf("%s is answered %d, Retry-After %q", reason, a.Code, a.Header().Get("Retry-After"))
		}
	}
	r.get("anna", "/end?session=carl-1&user=carl").want(http.StatusOK)
}
