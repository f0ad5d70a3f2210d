package screen_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/fleet"
)

// Names that strangers give themselves, their devices and their browsers. Each
// has a mark, by which it is found in a page.
var hostile = map[string]string{
	"markup":    `mark<script>alert(1)</script><img src=x onerror=alert(1)>`,
	"attribute": `mark" onmouseover="alert(1)" evil='y' autofocus`,
	"template":  "mark{{.}}{{template \"page\" .}}${7*7}",
	"override":  "mark\u202Egnp.exe\u2066\u2069\u2069",
	"emoji":     "mark" + strings.Repeat("👩‍👩‍👧‍👦", 20),
	"control":   "mark\x00\x01\x1b[31m\u2028\r\n",
	"address":   "markjavascript:alert(1)//../%2e%2e?&user=anna#x",
	"invalid":   "mark\xff\xfe\xc0",
}

// named signs somebody in whose every text is hostile, and ends one of their
// sessions for a hostile reason.
func (r *rig) named(text string) (user string) {
	user = idOf(text)
	for i, session := range []string{idOf("1 " + text), idOf("2 " + text), "3"} {
		login := r.login(user, session, text, time.Duration(i)*time.Minute)
		login.Personal.Username, login.Personal.DisplayName, login.Personal.DeviceLabel = text, text, text
		login.Personal.AvatarURL, login.Personal.IP = text, text
		r.signedIn(login)
	}
	r.record(events.StreamSessions, r.revoked(user, "3", time.Minute, func(e *events.Revoked) {
		e.Cause, e.Actor.User, e.Personal.ReasonAdmin, e.Personal.ReasonUser = events.Cause(text), text, text, text
	}))
	r.fleet.report = fleet.Report{Total: 1, Missing: []fleet.Missing{{Gateway: "gw", Name: text}}}
	return user
}

// idOf makes an id of a text. No store keeps a NUL.
func idOf(text string) string {
	id := text[:min(len(text), events.MaxID)]
	for !utf8.ValidString(id) {
		id = id[:len(id)-1]
	}
	return strings.ReplaceAll(id, "\x00", "")
}

func TestHostileTextIsHarmless(t *testing.T) {
	t.Parallel()
	for name, text := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := setup(t)
			r.shop()
			user := r.named(text)
			q, filter := "user="+url.QueryEscape(user), "q="+url.QueryEscape(text)
			for _, path := range []string{
				"/?" + q, "/?view=history&" + q, "/?" + filter, "/?at=2026-11-20T14:00:00Z&" + q, "/?at=" + url.QueryEscape(text),
				"/end?all=1&" + q, "/end?others=1&" + q, "/end?session=" + url.QueryEscape(idOf("1 "+text)) + "&" + q,
			} {
				r.looksHarmless(path, r.get("anna", path))
				r.looksHarmless(path, r.pane("anna", "div#dialog-body", path))
				r.looksHarmless(path, r.pane("anna", "section#sessions", path))
			}
			r.looksHarmless("themselves", r.pane("anna", "div#user-list-pane", "/users?"+filter))
			r.looksHarmless("outcome", r.pane("anna", "div#outcome-body", "/outcome?position=1"))
		})
	}
}

// looksHarmless fails unless a page is made of our elements and attributes alone.
func (r *rig) looksHarmless(path string, a answer) {
	r.Helper()
	path = path[:min(len(path), 20)]
	page := a.page() // is strict about tags and attributes
	if strings.ContainsRune(a.body(), 0) {
		r.Errorf("%s has a NUL in it", path)
	}
	page.walk(func(n *node) {
		if n.tag == "script" && !strings.HasPrefix(n.attr["src"], "/assets/") || n.tag == "img" {
			r.Errorf("%s has <%s %v>", path, n.tag, n.attr)
		}
		for name, value := range n.attr {
			if strings.HasPrefix(name, "on") || name == "evil" || name == "style" {
				r.Errorf("%s has the attribute %s=%q", path, name, value)
			}
			if isAddress(name) && !strings.HasPrefix(value, "/") && !strings.HasPrefix(value, "#") {
				r.Errorf("%s has the address %s=%q", path, name, value)
			}
		}
	})
}

func isAddress(attribute string) bool {
	switch attribute {
	case "href", "src", "action", "hx-get", "hx-post", "hx-sse:connect", "formaction":
		return true
	default:
		return false
	}
}

func TestHostileTextTurnsNoText(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	user := r.named(hostile["override"])
	q := "user=" + url.QueryEscape(user)
	for _, path := range []string{"/?" + q, "/?" + q + "&view=history", "/end?all=1&" + q, "/end?others=1&" + q, "/outcome?position=1"} {
		for _, target := range []string{"", "section#sessions", "div#dialog-body"} {
			page := r.pane("anna", target, path).page()
			page.walk(func(n *node) {
				if n.tag == "" {
					return
				}
				for _, kid := range n.kids {
					if strings.ContainsRune(kid.text, '\u202E') && n.tag != "bdi" {
						t.Errorf("%s: <%s> is turned by %q", path, n.tag, kid.text)
					}
				}
				for _, name := range []string{"data-summary", "data-title", "title", "aria-label"} {
					if strings.ContainsRune(n.attr[name], '\u202E') {
						t.Errorf("%s: %s is turned by %q", path, name, n.attr[name])
					}
				}
			})
		}
	}
}

func TestHostileTextIsShownAsItIs(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	text := hostile["markup"]
	user := r.named(text)
	page := r.get("anna", "/?user="+url.QueryEscape(user)).want(http.StatusOK)
	same(t, "heading", page.one("h2#sessions-title").says(), text)
	same(t, "handle", page.one("#sessions .handle").says(), "@"+text)
	same(t, "user agent", page.one("article.card code").says(), text)
	same(t, "label", page.one("article.card .label").says(), text)
	same(t, "in the list", page.one("a.user[aria-current=true] .name").says(), text)
	history := r.get("anna", "/?view=history&user="+url.QueryEscape(user)).want(http.StatusOK)
	same(t, "reason", fact(history.one("article.card"), "Reason").says(), text)
	same(t, "by", fact(history.one("article.card"), "By").says(), text)
}

func TestAUserWithAHostileIDCanBeSignedOut(t *testing.T) {
	t.Parallel()
	for name, text := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := setup(t)
			r.shop()
			user := r.named(text)
			page := r.get("anna", "/").want(http.StatusOK)
			for _, link := range page.all("a.user") {
				if link.attr["data-user"] != user {
					continue
				}
				opened := r.get("anna", link.attr["href"]).want(http.StatusOK)
				question := r.get("anna", opened.one("article a.danger").attr["href"]).want(http.StatusOK)
				sent := url.Values{}
				for name, value := range fields(question) {
					sent.Set(name, value)
				}
				r.post("anna", sent)
				if ones, _ := r.ender.given(); len(ones) != 1 || !strings.HasPrefix(ones[0].Session, "1 mark") {
					t.Errorf("the commands are %v", ones)
				}
				return
			}
			t.Errorf("%q is not in the list", user)
		})
	}
}
