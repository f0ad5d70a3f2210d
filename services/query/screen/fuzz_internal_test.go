package screen

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/posse-pos/posse/events"
)

func placeAt(address string) (place, string) {
	u, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	return placeOf(&http.Request{URL: u})
}

func FuzzPlace(f *testing.F) {
	f.Add("user=carl&q=an&view=history&at=2026-11-20T14:05:00Z&after=abc")
	f.Add("at=2026-11-20T14:05:00.999%2B01:00&user=%ff%00")
	f.Add("at=nonsense&view=x&q=" + strings.Repeat("%C3%A4", 200))
	f.Add("user=" + strings.Repeat("x", 4000) + "&after=" + strings.Repeat("y", 5000))
	f.Add("user=%2f%2fevil.example&q=%22%3E%3Cscript%3E;&user=two&;=%")
	f.Fuzz(func(t *testing.T, query string) {
		r := &http.Request{URL: &url.URL{Path: "/", RawQuery: query}}
		p, fault := placeOf(r)
		if len(p.User) > maxUser || len(p.Filter) > maxFilter || len(p.After) > maxPageToken || len(fault) > maxMoment {
			t.Fatalf("the place is not bounded: %d %d %d %d", len(p.User), len(p.Filter), len(p.After), len(fault))
		}
		if fault != "" {
			return
		}
		again, fault := placeAt(p.URL())
		if fault != "" || again != p {
			t.Errorf("%+v has the address %q, which is %+v %q", p, p.URL(), again, fault)
		}
		for name, link := range map[string]string{
			"user": p.OfUser("carl").URL(), "history": p.OfHistory().URL(), "active": p.OfActive().URL(), "now": p.OfNow().URL(),
			"nobody": p.OfNobody().URL(), "all": p.OfAll().URL(), "next": p.OfNext("a b").URL(), "users": p.Users(),
		} {
			u, err := url.Parse(link)
			if err != nil || u.Host != "" || u.Scheme != "" || u.Path != "/" && u.Path != "/users" {
				t.Errorf("the link to %s is %q: %v", name, link, err)
			}
		}
	})
}

func TestAnIDThatIsTooLongIsNotAnother(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("x", events.MaxID)
	if p, _ := placeAt("/?user=" + longest); p.User != longest {
		t.Errorf("the longest id is cut to %d bytes", len(p.User))
	}
	for _, more := range []string{"y", "%C3%A4", "yyyyyyyyyyyy"} {
		if p, _ := placeAt("/?user=" + longest + more); p.User == longest {
			t.Errorf("an id with %q more is taken for another", more)
		}
	}
}

func TestThePlaceLeavesOutWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	p, fault := placeAt("/?view=nonsense&after=" + strings.Repeat("x", maxPageToken+1) + "&something=else")
	if p != (place{}) || fault != "" {
		t.Errorf("the place is %+v, %q", p, fault)
	}
}

func FuzzParseMoment(f *testing.F) {
	for _, s := range []string{
		"2026-11-20T14:05:00Z", "2026-11-20T14:05", "2026-11-20 14:05", "2026-11-20T14:05:00.5+14:00", "0000-01-01T00:00:00+23:59",
		"9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "1970-01-01T00:00:01Z", "2016-12-31T23:59:60Z",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, err := parseMoment(s)
		if err != nil {
			return
		}
		if at.Unix() <= 0 || at.Nanosecond() != 0 || at.Location() != time.UTC || at.IsZero() {
			t.Errorf("%q is %v", s, at)
		}
		if at.Year() > 9999 {
			return // in the future, where nobody looks
		}
		if again, err := parseMoment((place{At: at}).Moment()); err != nil || !again.Equal(at) {
			t.Errorf("%q is %v and then %v, %v", s, at, again, err)
		}
	})
}

func FuzzCut(f *testing.F) {
	f.Add("äöü", 3)
	f.Add("\x80\x80\x80\x80", 2)
	f.Add("👩‍👩‍👧", 5)
	f.Add("abc", 0)
	f.Fuzz(func(t *testing.T, s string, n int) {
		n = max(0, n)
		got := cut(s, n)
		if len(got) > n || !strings.HasPrefix(s, got) {
			t.Fatalf("%q is cut to %q, for %d", s, got, n)
		}
		if utf8.ValidString(s) && (!utf8.ValidString(got) || len(got) < min(len(s), n-3)) {
			t.Errorf("%q is cut to %q, for %d", s, got, n)
		}
	})
}

func FuzzIsolated(f *testing.F) {
	f.Add("The anna")
	f.Add("\u202Egnp.exe\u2066\u2069\u2069\u202C")
	f.Add("\xe2\x80\xae\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := isolated(s)
		inner, ok := strings.CutPrefix(got, "\u2068")
		inner, ok2 := strings.CutSuffix(inner, "\u2069")
		if !ok || !ok2 || strings.ContainsAny(inner, "\u202A\u202B\u202C\u202D\u202E\u2066\u2067\u2068\u2069") {
			t.Errorf("%q becomes %q", s, got)
		}
		if len(got) > 3*len(s)+6 {
			t.Errorf("%d bytes become %d", len(s), len(got))
		}
	})
}

func FuzzInitials(f *testing.F) {
	for _, name := range []string{"ada lovelace", "ß", "ǆ", "\u674e\u5c0f\u9f8d", "…", "", "1 2 3", "\xff", "a\u0301 b", "🙂 🙂"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := initials(name)
		if n := utf8.RuneCountInString(got); n < 1 || n > 2 || !utf8.ValidString(got) {
			t.Errorf("%q has the initials %q", name, got)
		}
		if h := hue(name); h < 0 || h > 11 {
			t.Errorf("%q has the colour %d", name, h)
		}
		if k := key(name); len(k) != 12 || strings.Trim(k, "0123456789abcdef") != "" {
			t.Errorf("%q has the key %q", name, k)
		}
	})
}

func FuzzTarget(f *testing.F) {
	f.Add("section#sessions")
	f.Add("#")
	f.Add("a#b#c")
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
		r.Header["Hx-Target"] = []string{header}
		if got := target(r); got != "" {
			t.Errorf("without a script, %q is the target %q", header, got)
		}
		r.Header.Set("Hx-Request", "true")
		if got := target(r); !strings.HasSuffix(header, got) {
			t.Errorf("%q is the target %q", header, got)
		}
	})
}
