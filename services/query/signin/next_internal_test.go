package signin

import (
	"net/url"
	"strings"
	"testing"
)

func TestLocalPath(t *testing.T) {
	t.Parallel()
	for next, want := range map[string]string{
		"/": "/", "/?user=a&q=%2F%2Fb": "/?user=a&q=%2F%2Fb", "/history?at=2026-11-20T14:05:00Z": "/history?at=2026-11-20T14:05:00Z",
		"/a#b": "/a", "/%C3%BC": "/%C3%BC",
		"": "/", "//": "/", "a": "/", "//evil.example": "/", "///evil.example": "/", "https://evil.example/": "/", "https:/evil": "/",
		`/\evil.example`: "/", `\\evil.example`: "/", "/%5Cevil.example": "/", "/\t/evil.example": "/", "/\n": "/", "/ü": "/", "/a b": "/",
		"/%2F%2Fevil.example": "/", "/a//b": "/", "/%": "/", "/.//evil.example": "/", "javascript:alert(1)": "/",
		"/signin?next=/signin": "/", "/signout": "/", "/" + strings.Repeat("a", maxNext): "/",
	} {
		if got := localPath(next); got != want {
			t.Errorf("localPath(%q) = %q, want %q", next, got, want)
		}
	}
}

func FuzzLocalPath(f *testing.F) {
	for _, seed := range []string{"/", "//evil.example", `/\evil.example`, "/\t/evil.example", "/%2F/evil", "https://evil.example", "/?a=//b", "/..//e"} {
		f.Add(seed)
	}
	site := &url.URL{Scheme: "https", Host: "posse.example", Path: "/signin"}
	f.Fuzz(func(t *testing.T, next string) {
		local := localPath(next)
		// As a browser reads it (WHATWG URL §4.4), too.
		browser := strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(strings.TrimSpace(local))
		for _, reading := range []string{local, browser} {
			u, err := url.Parse(reading)
			if err != nil {
				t.Fatalf("%q becomes %q: %v", next, local, err)
			}
			to := site.ResolveReference(u)
			if to.Scheme != site.Scheme || to.Host != site.Host || to.User != nil || strings.HasPrefix(reading, "//") {
				t.Errorf("%q becomes %q, which leads to %s", next, local, to)
			}
			if strings.HasPrefix(u.Path, "/signin") {
				t.Errorf("%q becomes %q, a circle", next, local)
			}
		}
		if again := localPath(local); again != local {
			t.Errorf("%q becomes %q and then %q", next, local, again)
		}
	})
}
