package screen_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// dialog opens the question for an end.
func (r *rig) dialog(who, path string) *node {
	r.Helper()
	return r.pane(who, "div#dialog-body", path).want(http.StatusOK)
}

// fields are the values that a form sends, but for the key.
func fields(form *node) map[string]string {
	sent := map[string]string{}
	for _, input := range form.all("input") {
		_, checked := input.attr["checked"]
		if name := input.attr["name"]; name != "key" && (input.attr["type"] != "radio" || checked) {
			sent[name] = input.attr["value"]
		}
	}
	return sent
}

func sends(t *testing.T, form *node, want map[string]string) {
	t.Helper()
	got := fields(form)
	if len(got) != len(want) {
		t.Errorf("the form sends %v, want %v", got, want)
	}
	for name, value := range want {
		same(t, "field "+name, got[name], value)
	}
	if form.one("form").attr["method"] != "post" || form.one("form").attr["action"] != "/end" || form.one("form").attr["hx-post"] != "/end" {
		t.Errorf("the form is %v", form.one("form").attr)
	}
	if form.count("textarea[name=reason]") != 1 || len(form.one("input[name=key]").attr["value"]) < 20 {
		t.Error("the form has no reason or no key")
	}
}

func TestTerminateIsAskedFirst(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	form := r.dialog("anna", "/end?user=carl&session=carl-1")
	same(t, "title", form.one("h2#dialog-title").says(), "Terminate \u2068The carl\u2069’s session on iOS Application \u2068Counter 3\u2069?")
	contains(t, "device", form.one(".target").says(), "iOS Application WCPOS 1.8.1Counter 3Last active")
	contains(t, "device", form.one(".target").says(), "2 minutes ago")
	equal(t, "buttons", form.list("button"), "Cancel", "Terminate")
	if _, focused := form.one("button[type=button][data-close]").attr["autofocus"]; !focused || form.count("[autofocus]") != 1 {
		t.Error("Cancel has not the focus")
	}
	if form.count(".warning") != 0 {
		t.Error("somebody is warned of what is not theirs")
	}
	sends(t, form, map[string]string{"user": "carl", "session": "carl-1"})
}

func TestLogoutAllIsAskedFirst(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	form := r.dialog("anna", "/end?user=carl&all=1")
	same(t, "title", form.one("h2").says(), "Sign \u2068The carl\u2069 out of every device?")
	contains(t, "text", form.says(), "2 sessions end.")
	equal(t, "what ends", form.list(".targets dd"), "iOS Application WCPOS 1.8.1 · Counter 3", "Desktop Application WCPOS 1.8.1")
	equal(t, "buttons", form.list("button"), "Cancel", "Logout All")
	sends(t, form, map[string]string{"user": "carl", "all": "1"})
	contains(t, "one session", r.dialog("anna", "/end?user=otto&all=1").says(), "1 session ends.")
}

func TestLogoutAllOfManyDevicesNamesTheNewest(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	for n := range 7 {
		r.signedIn(r.login("otto", fmt.Sprint("otto-till-", n), till, time.Minute))
	}
	r.signedIn(r.login("anna", "anna-2", till, 0))
	form := r.dialog("anna", "/end?user=otto&all=1")
	contains(t, "text", form.says(), "8 sessions end.")
	named := form.list(".targets dd")
	same(t, "the last line", named[len(named)-1], "and 3 more")
	if len(named) != 6 || form.count(".targets dt") != 1 {
		t.Errorf("what ends is %q", named)
	}
	equal(t, "one's own stands first", r.dialog("anna", "/end?user=anna&all=1").list(".targets dd"),
		"Web Application Firefox 140 Current device", "Desktop Application WCPOS 1.8.1")
}

func TestAnAdminChoosesWhatASomebodyElseKeeps(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	form := r.dialog("anna", "/end?user=carl&others=1")
	same(t, "title", form.one("h2").says(), "Sign \u2068The carl\u2069 out of all other devices?")
	contains(t, "text", form.says(), "1 session ends.")
	same(t, "legend", form.one("legend").says(), "Session to keep")
	equal(t, "choices", form.values("input[type=radio]", "value"), "carl-1", "carl-2")
	equal(t, "the newest is chosen", form.values("input[type=radio][checked]", "value"), "carl-1")
	contains(t, "choice", form.one("label.choice").says(), "iOS Application WCPOS 1.8.1 · Counter 3Last active")
	sends(t, form, map[string]string{"user": "carl", "others": "1", "keep": "carl-1"})

	form = r.dialog("anna", "/end?user=carl&others=1&keep=carl-2")
	equal(t, "what the address says is chosen", form.values("input[type=radio][checked]", "value"), "carl-2")
	form = r.dialog("anna", "/end?user=carl&others=1&keep=anna-1")
	equal(t, "what is not there is not", form.values("input[type=radio][checked]", "value"), "carl-1")
}

func TestOneKeepsTheDeviceThatOneIsOn(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.signedIn(r.login("anna", "anna-2", till, 0))
	for _, path := range []string{"/end?user=anna&others=1", "/end?user=anna&others=1&keep=anna-2", "/end?user=anna&others=1&keep=nothing"} {
		form := r.dialog("anna", path)
		if form.count("fieldset") != 0 || form.count(".warning") != 0 {
			t.Errorf("%s asks what to keep, or warns", path)
		}
		equal(t, "what ends and what goes on", form.list(".targets dt"), "Will be signed out", "Stays signed in")
		equal(t, "devices", form.list(".targets dd"), "Desktop Application WCPOS 1.8.1", "Web Application Firefox 140 Current device")
		sends(t, form, map[string]string{"user": "anna", "others": "1", "keep": "anna-1"})
	}
}

// Whose own session the list lacks chooses, and is warned: it ends with the others.
func TestWhoIsNotInTheListChoosesWhatTheyKeep(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.signedIn(r.login("anna", "anna-2", till, 0), r.login("anna", "anna-3", ipad, time.Minute))
	form := r.dialog("anna", "/end?user=anna&others=1")
	equal(t, "choices", form.values("input[type=radio]", "value"), "anna-2", "anna-3")
	if form.count(".warning") != 1 || form.count(".targets") != 0 {
		t.Error("nobody is warned, or something is named that is not sure")
	}
	sends(t, form, map[string]string{"user": "anna", "others": "1", "keep": "anna-2"})
	if r.dialog("anna", "/end?user=anna&all=1").count(".warning") != 1 {
		t.Error("nobody is warned that all means this one too")
	}
}

func TestEndingOnesOwnSessionIsWarnedOf(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.signedIn(r.login("anna", "anna-2", till, 0))
	for path, warns := range map[string]int{
		"/end?user=anna&session=anna-1": 1, "/end?user=anna&all=1": 1, "/end?user=anna&session=anna-2": 0, "/end?user=carl&all=1": 0,
	} {
		if got := r.dialog("anna", path).count(".warning[role=note]"); got != warns {
			t.Errorf("%s: %d warnings", path, got)
		}
	}
	contains(t, "warning", r.dialog("anna", "/end?user=anna&all=1").one(".warning").says(), "You will be signed out here")
}

func TestTheQuestionIsAPageWithoutAScript(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	page := r.get("anna", "/end?user=carl&all=1").want(http.StatusOK)
	same(t, "title", page.one("title").says(), "Logout All – posse")
	same(t, "cancel", page.one("form.end a.button").attr["href"], "/?user=carl")
	if page.count("form.end") != 1 || page.count("header.bar") != 1 || page.count("form.end [data-close]") != 0 {
		t.Error("the page is not one of its own")
	}
	for _, link := range page.values("nav.languages a", "href") {
		contains(t, "languages stay with the question", link, "/end?")
	}
}

func TestEveryQuestionHasItsOwnKey(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	first := r.dialog("anna", "/end?user=carl&all=1").one("input[name=key]").attr["value"]
	second := r.dialog("anna", "/end?user=carl&all=1").one("input[name=key]").attr["value"]
	if first == second {
		t.Errorf("two questions have the key %q", first)
	}
}

func TestQuestionsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	for _, test := range []struct {
		who, path string
		want      int
	}{
		{"anna", "/end", http.StatusNotFound},
		{"anna", "/end?user=carl", http.StatusUnprocessableEntity},
		{"anna", "/end?user=carl&session=", http.StatusUnprocessableEntity},
		{"anna", "/end?user=carl&session=carl-1&all=1", http.StatusUnprocessableEntity},
		{"anna", "/end?user=carl&others=1&all=1", http.StatusUnprocessableEntity},
		{"anna", "/end?user=carl&session=carl-1&keep=carl-2", http.StatusUnprocessableEntity},
		{"anna", "/end?user=carl&all=1&keep=carl-2", http.StatusUnprocessableEntity},
		{"anna", "/end?user=carl&session=anna-1", http.StatusNotFound},
		{"anna", "/end?user=carl&session=nothing", http.StatusNotFound},
		{"anna", "/end?user=nobody&all=1", http.StatusNotFound},
		{"anna", "/end?user=zoe&all=1", http.StatusNotFound},
		{"anna", "/end?user=%00&all=1", http.StatusNotFound},
		{"anna", "/end?all=1&user=" + strings.Repeat("x", 3000), http.StatusNotFound},
		{"otto", "/end?user=carl&all=1", http.StatusForbidden},
		{"otto", "/end?user=nobody&all=1", http.StatusForbidden},
		{"carl", "/end?user=anna&all=1", http.StatusNotFound},
		{"carl", "/end?user=nobody&all=1", http.StatusNotFound},
		{"carl", "/end?user=carl&session=anna-1", http.StatusNotFound},
		{"zoe", "/end?user=carl&session=carl-1", http.StatusNotFound},
	} {
		page := r.get(test.who, test.path).want(test.want)
		if page.count("form.end") != 0 || page.count("[role=alert]") != 1 {
			t.Errorf("%s asks %s", test.who, test.path)
		}
		pane := r.pane(test.who, "div#dialog-body", test.path).want(test.want)
		if pane.count("button[data-close][autofocus]") != 1 || pane.count("h2#dialog-title") != 1 {
			t.Errorf("%s, %s: the dialog has no title or cannot be closed", test.who, test.path)
		}
	}
	if len(r.logged.errors()) != 0 {
		t.Errorf("a stranger's mistake is an error in the log: %q", r.logged.errors())
	}
}

func TestWhatHasEndedIsNotAskedFor(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.record("POS_SESSIONS", r.revoked("carl", "carl-1", time.Minute), r.revoked("otto", "otto-1", time.Minute))
	r.get("anna", "/end?user=carl&session=carl-1").want(http.StatusNotFound)
	r.get("anna", "/end?user=otto&all=1").want(http.StatusNotFound)
}
