package screen_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/posse-pos/posse/services/query/screen"
)

// usersOf are the ids in the list, in their order.
func usersOf(page *node) []string { return page.values("a.user", "data-user") }

// sessionsOf are the ids of the cards, in their order.
func sessionsOf(page *node) []string { return page.values("article.card", "data-session") }

func equal(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func same(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func contains(t *testing.T, what, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) {
		t.Errorf("%s: got %q, want %q in it", what, got, want)
	}
}

func TestAScreenNeedsItsParts(t *testing.T) {
	t.Parallel()
	if _, err := screen.New(screen.Config{}); err == nil {
		t.Error("a screen was made of nothing")
	}
}

func TestThePageHasAllPartsOfTheScreen(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	page := r.get("anna", "/").want(http.StatusOK)

	same(t, "title", page.one("title").says(), "Sessions – posse")
	same(t, "heading", page.one("header h1").says(), "Sessions")
	same(t, "status", page.one("#live").attr["data-state"], "off")
	same(t, "users' name", page.one("#"+page.one("section#users").attr["aria-labelledby"]).says(), "Users")
	same(t, "sessions' name", page.one("section#sessions").attr["aria-label"], "Sessions")
	same(t, "filter's label", page.one("label[for="+page.one("input[type=search]").attr["id"]+"]").says(), "Filter users")
	same(t, "who", page.one("#account summary").says(), "The annaAccount")
	for _, part := range []string{
		"main#screen", "dialog#dialog", "#announcer[aria-live=polite]", "nav[aria-label=Language]", "form[action=/signout][method=post]", "a.skip",
	} {
		if page.count(part) != 1 {
			t.Errorf("%d of %s", page.count(part), part)
		}
	}
	contains(t, "nobody is selected", page.one("section#sessions").says(), "Select a user")
	equal(t, "users", usersOf(page), "anna", "carl", "otto")
	equal(t, "cards", sessionsOf(page))
	same(t, "stream", page.one(".stream").attr["hx-sse:connect"], "/live?since=5-0")
}

func TestIDsOnAPageAreUnique(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	for _, path := range []string{"/", "/?user=carl", "/?user=carl&view=history", "/end?user=carl&all=1", "/?user=nobody"} {
		seen := map[string]bool{}
		for _, id := range r.get("anna", path).page().values("[id]", "id") {
			if seen[id] {
				t.Errorf("%s has %q twice", path, id)
			}
			seen[id] = true
		}
	}
}

func TestReferencesOfAPageExist(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	for _, path := range []string{"/", "/?user=carl", "/?user=carl&view=history", "/end?user=carl&all=1", "/?user=nobody", "/?at=nonsense"} {
		page := r.get("anna", path).page()
		for _, name := range []string{"aria-labelledby", "aria-describedby", "for"} {
			for _, id := range page.values("["+name+"]", name) {
				// The dialog is named by what it is filled with.
				if id != "dialog-title" && page.count("#"+id) == 0 {
					t.Errorf("%s: %s names %q, which is not there", path, name, id)
				}
			}
		}
		for _, icon := range page.values("use", "href") {
			if page.count(icon) == 0 {
				t.Errorf("%s: there is no icon %s", path, icon)
			}
		}
	}
}

func TestSelectingAUserAnswersWithTheirPane(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	a := r.pane("anna", "section#sessions", "/?user=carl")
	pane := a.want(http.StatusOK)

	if pane.count("section#sessions") != 1 || pane.count("html") != 0 || pane.count("#users") != 0 {
		t.Errorf("the pane is %s", a.body())
	}
	same(t, "position", a.Header().Get("Posse-Position"), "5")
	same(t, "user", a.Header().Get("Posse-User"), "carl")
	same(t, "title for the document", pane.one("#sessions").attr["data-title"], "\u2068The carl\u2069 – Sessions – posse")
	same(t, "heading", pane.one("h2").says(), "The carl")
	same(t, "stream", pane.one(".stream").attr["hx-sse:connect"], "/live?since=5-0&user=carl")
	same(t, "summary", pane.one("#sessions").attr["data-summary"], "\u2068The carl\u2069: 2 active sessions")
}

func TestEachElementIsAnsweredByItself(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	for _, test := range []struct{ target, path, selector string }{
		{"section#sessions", "/", "section#sessions"},
		{"section#sessions", "/?user=carl&view=history", "section#sessions"},
		{"div#user-list-pane", "/users", "div#user-list-pane"},
		{"div#user-list-pane", "/users?q=nobody", "div#user-list-pane"},
		{"div#dialog-body", "/end?user=carl&all=1", "form.end"},
		{"div#outcome-body", "/outcome?position=3&ended=1&refresh=", "div#outcome-body"},
	} {
		pane := r.pane("anna", test.target, test.path).want(http.StatusOK)
		elements := slices.DeleteFunc(slices.Clone(pane.kids), func(n *node) bool { return n.tag == "" })
		if len(elements) != 1 || !elements[0].is(test.selector) {
			t.Errorf("%s for %s is not answered with that element alone", test.path, test.target)
		}
	}
}

func TestGoingBackGetsTheWholePage(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	page := r.pane("anna", "section#sessions", "/?user=carl", "Hx-History-Restore-Request", "true").want(http.StatusOK)
	if page.count("html") != 1 || page.count("#users") != 1 {
		t.Error("the page that history restores is not whole")
	}
}

func TestDeepLinks(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	page := r.get("anna", "/?user=carl&q=the&view=history").want(http.StatusOK)

	equal(t, "selected", page.values("a.user[aria-current=true]", "data-user"), "carl")
	same(t, "filter", page.one("#q").attr["value"], "the")
	same(t, "filter keeps who is selected", page.one("#filter input[name=user]").attr["value"], "carl")
	equal(t, "view", page.list(".tabs a[aria-current=page]"), "History")
	equal(t, "tabs", page.values(".tabs a", "href"), "/?q=the&user=carl", "/?q=the&user=carl&view=history")
	equal(t, "links of users keep the filter", page.values("a.user", "href"), "/?q=the&user=anna", "/?q=the&user=carl", "/?q=the&user=otto")
	equal(t, "links without a script and with one are the same", page.values("a.user", "href"), page.values("a.user", "hx-get")...)
	equal(t, "languages", page.values("nav.languages a", "href"),
		"/?lang=en&q=the&user=carl&view=history", "/?lang=es&q=the&user=carl&view=history",
		"/?lang=de&q=the&user=carl&view=history", "/?lang=fr&q=the&user=carl&view=history")
}

func TestAnUnknownUserIsSaidToBeNone(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	page := r.get("anna", "/?user=nobody").want(http.StatusNotFound)
	contains(t, "page", page.one("#sessions [role=alert]").says(), "There is no such user")
	same(t, "way out", page.one("#sessions .back a").attr["href"], "/")
	equal(t, "the list is still there", usersOf(page), "anna", "carl", "otto")

	pane := r.pane("anna", "section#sessions", "/?user=nobody").want(http.StatusOK)
	contains(t, "pane", pane.one("section#sessions [role=alert]").says(), "There is no such user")
}

func TestAUserOfAnotherTenantIsNone(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	known := r.get("anna", "/?user=zoe")
	unknown := r.get("anna", "/?user=yoe")
	if known.Code != unknown.Code || strings.ReplaceAll(known.body(), "zoe", "yoe") != unknown.body() {
		t.Errorf("another tenant's user is answered differently from nobody:\n%s", known.body())
	}
}

func TestHostileUserIDsAreNone(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	for _, id := range []string{"%00", "%ff%fe", strings.Repeat("x", 129), strings.Repeat("%F0%9F%92%A9", 5000), "..%2f..%2f", "%22%3E%3Cscript%3E"} {
		a := r.get("anna", "/?user="+id)
		a.want(http.StatusNotFound)
		if len(a.body()) > 64<<10 {
			t.Errorf("user %.20q has %d bytes of page", id, len(a.body()))
		}
	}
}

func TestAUserSeesThemselvesAlone(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	for _, path := range []string{"/", "/?user=anna", "/?user=zoe", "/?user=nobody"} {
		page := r.get("carl", path).want(http.StatusOK)
		equal(t, path+": users", usersOf(page), "carl")
		equal(t, path+": sessions", sessionsOf(page), "carl-1", "carl-2")
		same(t, path+": selected", page.one("a.user[aria-current=true]").attr["data-user"], "carl")
		if _, alone := page.one("main").attr["data-alone"]; !alone || page.count(".back") != 0 {
			t.Errorf("%s: the screen is not that of one person", path)
		}
		if strings.Contains(page.one("main").says(), "anna") {
			t.Errorf("%s: carl sees anna", path)
		}
		same(t, path+": stream", page.one(".stream").attr["hx-sse:connect"], "/live?since=5-0&user=carl")
	}
}

func TestAUserFindsThemselvesAlone(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	list := r.pane("carl", "div#user-list-pane", "/users?user=anna&rows=100").want(http.StatusOK)
	equal(t, "users", usersOf(list), "carl")
	same(t, "heading", list.one(".heading").says(), "1 user signed in")
	same(t, "summary", list.one("#user-list-pane").attr["data-summary"], "1 user signed in, 2 sessions")
	list = r.pane("carl", "div#user-list-pane", "/users?q=anna").want(http.StatusOK)
	equal(t, "users called anna", usersOf(list))
}

func TestAnAuditorSeesEverybodyAndNoButtons(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	page := r.get("otto", "/?user=carl").want(http.StatusOK)
	equal(t, "users", usersOf(page), "otto", "carl", "anna")
	equal(t, "sessions", sessionsOf(page), "carl-1", "carl-2")
	if page.count("[aria-haspopup=dialog]") != 0 || strings.Contains(page.one("main").says(), "Terminate") {
		t.Error("an auditor is offered to end what is not theirs")
	}
	own := r.get("otto", "/?user=otto").want(http.StatusOK)
	if own.count("[aria-haspopup=dialog]") != 2 {
		t.Error("an auditor is not offered to end their own session")
	}
}

func TestBackendsHaveNoScreen(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	for _, path := range []string{"/", "/?user=carl", "/users", "/end?user=carl&all=1", "/outcome?position=1", "/live"} {
		if a := r.get("backend", path); a.Code != http.StatusForbidden || strings.Contains(a.body(), "carl.n") {
			t.Errorf("%s answered a backend %d", path, a.Code)
		}
	}
	if a := r.get("backend", "/avatar?user=carl"); a.Code != http.StatusNotFound {
		t.Errorf("/avatar answered a backend %d", a.Code)
	}
}
