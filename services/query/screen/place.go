package screen

import (
	"errors"
	"net/http"
	"net/url"
	"time"
	"unicode/utf8"

	"github.com/posse-pos/posse/events"
)

// Bounds of what stands in a URL, in bytes.
const (
	maxFilter    = 256
	maxUser      = events.MaxID + utf8.UTFMax // what was cut is no id, nor another's
	maxPageToken = 4096
	maxQuery     = 4096
)

// place is what the address of the screen says: whom one looks at, and when. Its
// methods are the links to other places.
type place struct {
	User    string    // whose sessions; "" for none
	Filter  string    // of the users
	History bool      // the ended sessions
	At      time.Time // a past moment; zero for now
	After   string    // page token, for who loads no script
}

// placeOf reads an address. What makes no sense in it is left out, but for a
// moment that is none: fault says so.
func placeOf(r *http.Request) (p place, fault string) {
	q := r.URL.Query()
	p = place{User: cut(q.Get("user"), maxUser), Filter: q.Get("q"), History: q.Get("view") == "history", After: q.Get("after")}
	p.Filter = cut(p.Filter, maxFilter)
	if len(p.After) > maxPageToken {
		p.After = ""
	}
	if at := q.Get("at"); at != "" {
		var err error
		if p.At, err = parseMoment(at); err != nil {
			return p, cut(at, maxMoment)
		}
	}
	return p, ""
}

const maxMoment = 40

// parseMoment takes RFC 3339, and what a field for local dates and times sends,
// which is UTC when no script says otherwise.
func parseMoment(s string) (at time.Time, err error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02 15:04"} {
		if at, err = time.Parse(layout, s); err == nil {
			at = at.UTC().Truncate(time.Second)
			break
		}
	}
	if err == nil && at.Unix() <= 0 {
		err = errNoMoment
	}
	return at, err
}

// errNoMoment is a moment before there were any.
var errNoMoment = errors.New("screen: the moment lies before 1970")

// cut shortens s to at most n bytes of whole characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}

// Past reports whether the place is a past moment.
func (p place) Past() bool { return !p.At.IsZero() }

// Moment is the moment as URLs have it.
func (p place) Moment() string {
	if p.At.IsZero() {
		return ""
	}
	return p.At.Format(time.RFC3339)
}

func (p place) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"user": p.User, "q": p.Filter, "at": p.Moment(), "after": p.After} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if p.History {
		q.Set("view", "history")
	}
	return q
}

func address(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// URL is the address of the place.
func (p place) URL() string { return address("/", p.query()) }

// OfUser is the place of another user.
func (p place) OfUser(user string) place { p.User, p.History, p.After = user, false, ""; return p }

// OfHistory is where the user's ended sessions are.
func (p place) OfHistory() place { p.History = true; return p }

// OfActive is where the user's active sessions are.
func (p place) OfActive() place { p.History = false; return p }

// OfNow is the same place now.
func (p place) OfNow() place { p.At = time.Time{}; p.After = ""; return p }

// OfNobody is the place with the list of users alone.
func (p place) OfNobody() place { p.User, p.History = "", false; return p }

// OfAll is the place without a filter.
func (p place) OfAll() place { p.Filter, p.After = "", ""; return p }

// OfNext is the next page of the users.
func (p place) OfNext(token string) place { p.After = token; return p }

// Users is the address of the list of users alone.
func (p place) Users() string { return address("/users", p.query()) }
