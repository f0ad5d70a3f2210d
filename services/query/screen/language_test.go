package screen_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/services/query/screen"
	"github.com/posse-pos/posse/services/query/signin"
)

var languages = []string{"en", "es", "de", "fr"}

func TestTheLanguageIsThatOfTheBrowserOrAChoice(t *testing.T) {
	t.Parallel()
	r := setup(t)
	for _, test := range []struct{ path, accept, cookie, want, heading string }{
		{"/", "", "", "en", "Sessions"},
		{"/", "de-AT,de;q=0.9,en;q=0.5", "", "de", "Sitzungen"},
		{"/", "pt,fr;q=0.5", "", "fr", "Sessions"},
		{"/", "ja", "", "en", "Sessions"},
		{"/", strings.Repeat("x", 9000), "", "en", "Sessions"},
		{"/", "de", "es", "es", "Sesiones"},
		{"/", "de", "klingon", "de", "Sitzungen"},
		{"/?lang=fr", "de", "es", "fr", "Sessions"},
		{"/?lang=klingon", "de", "es", "es", "Sesiones"},
	} {
		a := r.get("anna", test.path, "Accept-Language", test.accept, "Cookie", "__Host-posse-lang="+test.cookie)
		page := a.want(http.StatusOK)
		same(t, test.path+" "+test.accept, page.one("html").attr["lang"], test.want)
		same(t, test.path+" "+test.accept, page.one("h1").says(), test.heading)
		same(t, "header", a.Header().Get("Content-Language"), test.want)
		equal(t, "switch", page.values("nav.languages a[aria-current=true]", "lang"), test.want)
		contains(t, "caches know", a.Header().Get("Vary"), "Accept-Language")
	}
}

func TestTheSwitchNamesLanguagesInTheirOwnWords(t *testing.T) {
	t.Parallel()
	r := setup(t)
	page := r.get("anna", "/", "Accept-Language", "de").want(http.StatusOK)
	equal(t, "names", page.list("nav.languages a"), "English", "Español", "Deutsch", "Français")
	equal(t, "tags", page.values("nav.languages a", "hreflang"), languages...)
}

func TestAChoiceOfLanguageIsRemembered(t *testing.T) {
	t.Parallel()
	r := setup(t)
	set := r.get("anna", "/?lang=de").Header().Get("Set-Cookie")
	same(t, "cookie", set, "__Host-posse-lang=de; Path=/; Max-Age=31536000; HttpOnly; Secure; SameSite=Lax")
	same(t, "no choice", r.get("anna", "/?lang=klingon").Header().Get("Set-Cookie"), "")
	same(t, "no choice", r.get("anna", "/").Header().Get("Set-Cookie"), "")

	framed := setup(t, func(c *screen.Config) { c.FrameAncestors = []string{"https://admin.example"} })
	set = framed.get("anna", "/?lang=de").Header().Get("Set-Cookie")
	contains(t, "cookie in a frame", set, "SameSite=None; Partitioned")
}

func TestAPageInAnotherLanguageIsTheSamePage(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	for _, path := range []string{"/?user=carl", "/?user=carl&view=history", "/?q=otto", "/?at=2026-11-20T14:00:00Z", "/end?user=carl&others=1&keep=carl-2"} {
		page := r.get("anna", path).want(http.StatusOK)
		german := r.get("anna", page.one("nav.languages a[lang=de]").attr["href"]).want(http.StatusOK)
		same(t, path, german.one("html").attr["lang"], "de")
		equal(t, path, usersOf(german), usersOf(page)...)
		equal(t, path, sessionsOf(german), sessionsOf(page)...)
		equal(t, path, german.values("form.end input[checked]", "value"), page.values("form.end input[checked]", "value")...)
	}
}

// everyPage draws each page and pane that there is, in a language.
func everyPage(r *rig, tag string, see func(name string, page *node)) {
	language := []string{"Accept-Language", tag}
	for _, path := range []string{
		"/", "/?user=carl", "/?user=anna", "/?user=carl&view=history", "/?user=nobody", "/?q=nobody", "/?q=the", "/?at=2026-11-20T14:00:00Z&user=carl",
		"/?at=2020-01-01T00:00:00Z&user=carl", "/?at=2026-11-20T14:00:00Z&user=carl&view=history", "/?at=nonsense", "/?after=nonsense",
		"/end?user=carl&session=carl-1", "/end?user=carl&others=1", "/end?user=anna&all=1", "/end?user=nobody&all=1", "/end?user=carl",
	} {
		see(path, r.get("anna", path, language...).page())
	}
	see("alone", r.get("carl", "/", language...).page())
	see("forbidden", r.get("otto", "/end?user=carl&all=1", language...).page())
	for _, test := range []struct{ target, path string }{
		{"section#sessions", "/?user=carl"},
		{"div#user-list-pane", "/users?q=the"},
		{"div#dialog-body", "/end?user=carl&session=carl-1"},
		{"li#more-item", "/users?after=x"},
		{"div#outcome-body", "/outcome?position=1&ended=1"},
		{"div#outcome-body", "/outcome?position=1&ended=0"},
	} {
		see(test.path, r.pane("anna", test.target, test.path, language...).page())
	}
	for _, view := range signInViews() {
		see("signin "+string(view.Notice), r.signInPage(view, tag).page())
	}
}

func signInViews() []signin.View {
	views := []signin.View{
		{Status: http.StatusOK},
		{Status: http.StatusOK, Provider: "Example ID", Next: "/?user=carl"},
		{Status: http.StatusOK, Link: "the-link", Who: signin.Identity{Tenant: "shop", User: "anna", DisplayName: "Anna"}, Expires: afternoon.Add(time.Minute)},
	}
	for _, notice := range []signin.Notice{
		signin.NoticeSignedOut, signin.NoticeEnded, signin.NoticeExpiredLink, signin.NoticeUsedLink, signin.NoticeBadLink, signin.NoticeBadToken,
		signin.NoticeOIDCFailed, signin.NoticeOIDCDenied, signin.NoticeNoCookie, signin.NoticeUnavailable, signin.NoticeNoTenant,
	} {
		views = append(views, signin.View{Status: http.StatusUnauthorized, Notice: notice})
	}
	return views
}

// signInPage draws a page for who has not signed in.
func (r *rig) signInPage(view signin.View, tag string) answer {
	r.Helper()
	recorder := httptest.NewRecorder()
	request := httptest.NewRequestWithContext(r.Context(), http.MethodGet, "/signin?link=the-link", http.NoBody)
	request.Header.Set("Accept-Language", tag)
	r.screen.Secure(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.screen.SignIn(w, request, view)
	})).ServeHTTP(recorder, request)
	return answer{recorder, r}
}

// everything is a shop in which every text has something to be about.
func everything(t *testing.T) *rig {
	t.Helper()
	r := setup(t)
	r.shop()
	r.fleet.reports(3, 1, time.Millisecond)
	expired := r.login("carl", "carl-9", "", 3*time.Hour)
	expired.Expires = events.TimestampOf(afternoon.Add(-time.Hour))
	expired.Personal.IP = ""
	r.signedIn(expired, r.login("carl", "carl-8", till, time.Hour))
	r.record(events.StreamSessions, r.revoked("carl", "carl-8", time.Minute))
	return r
}

func TestNoPageShowsTheIDOfAText(t *testing.T) {
	t.Parallel()
	ids := texts(t, "en")
	r := everything(t)
	word := regexp.MustCompile(`[a-z_]+(\.[a-z_]+)+`)
	for _, tag := range languages {
		everyPage(r, tag, func(name string, page *node) {
			page.walk(func(n *node) {
				shown := []string{n.text}
				for _, value := range n.attr {
					shown = append(shown, value)
				}
				for _, found := range word.FindAllString(strings.Join(shown, "\n"), -1) {
					prefix, _, _ := strings.Cut(found, ".")
					if _, known := ids[found]; known || slices.Contains([]string{"end", "cause", "application", "notice", "failure"}, prefix) {
						t.Errorf("%s in %s says %q", name, tag, found)
					}
				}
			})
		})
	}
}

// texts are the messages of a language, by id.
func texts(t *testing.T, tag string) map[string]any {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("words", "messages", tag+".json"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]any{}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

var (
	textInTemplate = regexp.MustCompile(`{{-?\s*(?:if [^}]*}})?t "([a-z_.]+)"|\(t "([a-z_.]+)"|{{t "([a-z_.]+)"`)
	textInGo       = regexp.MustCompile(`Say\("([a-z_.]+)"[,)]`)
	variable       = regexp.MustCompile(`{{\.[A-Za-z]+}}`)
)

func TestEveryTextThatIsAskedForIsThere(t *testing.T) {
	t.Parallel()
	english := texts(t, "en")
	asked := map[string]bool{}
	for pattern, expression := range map[string]*regexp.Regexp{"templates/*.html": textInTemplate, "*.go": textInGo, "words/*.go": textInGo} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, found := range expression.FindAllStringSubmatch(string(data), -1) {
				id := strings.Join(found[1:], "")
				asked[id] = true
				if english[id] == nil {
					t.Errorf("%s asks for %q, which is not there", file, id)
				}
			}
		}
	}
	dynamic := regexp.MustCompile(`^(end|cause|application|notice|failure)\.`)
	for id := range english {
		if !asked[id] && !dynamic.MatchString(id) {
			t.Errorf("nobody asks for %q", id)
		}
	}
}

func TestEveryLanguageHasEveryText(t *testing.T) {
	t.Parallel()
	english := texts(t, "en")
	for _, tag := range languages[1:] {
		translated := texts(t, tag)
		for id, text := range english {
			other, ok := translated[id]
			if !ok {
				t.Errorf("%s has no %q", tag, id)
				continue
			}
			if want, got := variables(text), variables(other); !slices.Equal(got, want) {
				t.Errorf("%s, %q: has %q, want %q", tag, id, got, want)
			}
		}
		if len(translated) != len(english) {
			t.Errorf("%s has %d texts, English %d", tag, len(translated), len(english))
		}
	}
}

// variables are the names in a text's form for many.
func variables(text any) []string {
	if forms, ok := text.(map[string]any); ok {
		text = forms["other"]
	}
	s, _ := text.(string)
	found := variable.FindAllString(s, -1)
	slices.Sort(found)
	return slices.Compact(found)
}
