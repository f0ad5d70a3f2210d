package screen_test

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posse-pos/posse/services/query/screen"
)

// pictures is a host of pictures, and counts who asks.
type pictures struct {
	*httptest.Server

	asked atomic.Int64
	gate  chan struct{} // when it is there, answers wait for it
}

func picture(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 2, 2))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func hostPictures(t *testing.T) *pictures {
	t.Helper()
	p := &pictures{}
	good := picture(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/good.png", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(good) })
	mux.HandleFunc("/page.png", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/png")
		fmt.Fprint(w, "<!doctype html><script>alert(1)</script>")
	})
	mux.HandleFunc("/drawing.svg", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/svg+xml")
		fmt.Fprint(w, `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`)
	})
	mux.HandleFunc("/large.png", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(append(bytes.Clone(good), make([]byte, 256<<10)...))
	})
	mux.HandleFunc("/missing.png", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write(good)
	})
	mux.HandleFunc("/away.png", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusFound)
	})
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		if p.gate != nil {
			<-p.gate
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *pictures) host() string { return strings.TrimPrefix(p.URL, "http://") }

// pictured is a shop in which carl has a picture at an address.
func pictured(t *testing.T, at string, hosts ...string) *rig {
	t.Helper()
	r := setup(t, func(c *screen.Config) { c.AvatarHosts = hosts })
	r.shop()
	r.portray("carl", at)
	return r
}

// portray signs a user in with a picture.
func (r *rig) portray(user, at string) {
	r.Helper()
	login := r.login(user, user+"-pictured", till, 0)
	login.Personal.AvatarURL = at
	r.signedIn(login)
}

func TestAPictureIsFetchedFromAListedHost(t *testing.T) {
	t.Parallel()
	p := hostPictures(t)
	r := pictured(t, p.URL+"/good.png", p.host())
	page := r.get("anna", "/?user=carl").want(http.StatusOK)
	address := page.one("a.user[data-user=carl] img").attr["src"]
	same(t, "address beside the sessions", page.one("#sessions img").attr["src"], address)
	if !strings.HasPrefix(address, "/avatar?user=carl&v=") || page.count("img") != 2 {
		t.Errorf("the address is %q", address)
	}
	same(t, "it is decoration", page.one("img").attr["alt"], "")

	for range 3 {
		a := r.get("anna", address)
		if a.Code != http.StatusOK || !bytes.Equal(a.Body.Bytes(), picture(t)) {
			t.Fatalf("answer %d %s", a.Code, a.body())
		}
		same(t, "type", a.Header().Get("Content-Type"), "image/png")
		same(t, "caching", a.Header().Get("Cache-Control"), "private, max-age=3600")
		same(t, "sniffing", a.Header().Get("X-Content-Type-Options"), "nosniff")
		same(t, "policy", a.Header().Get("Content-Security-Policy"), policy)
	}
	if n := p.asked.Load(); n != 1 {
		t.Errorf("the host was asked %d times", n)
	}
	r.clock.forward(time.Hour)
	r.get("anna", address)
	if n := p.asked.Load(); n != 2 {
		t.Errorf("after an hour the host was asked %d times", n)
	}
}

func TestHostsThatAreNotListedAreNeverAsked(t *testing.T) {
	t.Parallel()
	p := hostPictures(t)
	for _, test := range []struct {
		at    string
		hosts []string
	}{
		{p.URL + "/good.png", nil},
		{p.URL + "/good.png", []string{"pictures.example"}},
		{p.URL + "/good.png", []string{"127.0.0.1"}}, // on another port
		{strings.Replace(p.URL, "http://", "http://pictures.example@", 1) + "/good.png", []string{p.host(), "pictures.example"}},
		{strings.Replace(p.URL, "http://", "ftp://", 1) + "/good.png", []string{p.host()}},
		{"//" + p.host() + "/good.png", []string{p.host()}},
		{"javascript:alert(1)", []string{p.host(), ""}},
		{"/good.png", []string{p.host(), ""}},
		{"http://[::1", []string{p.host()}},
	} {
		r := pictured(t, test.at, test.hosts...)
		if r.get("anna", "/?user=carl").want(http.StatusOK).count("img") != 0 {
			t.Errorf("%s is shown when the hosts are %q", test.at, test.hosts)
		}
		if a := r.get("anna", "/avatar?user=carl"); a.Code != http.StatusNotFound {
			t.Errorf("%s is answered %d when the hosts are %q", test.at, a.Code, test.hosts)
		}
	}
	if n := p.asked.Load(); n != 0 {
		t.Errorf("the host was asked %d times", n)
	}
}

func TestWhatIsNoPictureIsRefused(t *testing.T) {
	t.Parallel()
	p, other := hostPictures(t), hostPictures(t)
	r := pictured(t, p.URL+"/good.png", p.host(), "127.0.0.1:1")
	for name, at := range map[string]string{
		"page": p.URL + "/page.png", "drawing": p.URL + "/drawing.svg", "large": p.URL + "/large.png", "missing": p.URL + "/missing.png",
		"away":     p.URL + "/away.png?to=" + url.QueryEscape(other.URL+"/good.png"),
		"for ever": p.URL + "/away.png?to=" + url.QueryEscape("/away.png?to=/away.png"),
		"file":     p.URL + "/away.png?to=" + url.QueryEscape("file:///etc/passwd"), "nobody is there": "http://127.0.0.1:1/good.png",
	} {
		r.portray(name, at)
		before := p.asked.Load()
		for range 2 {
			a := r.get("anna", "/avatar?user="+url.QueryEscape(name))
			same(t, "caching of "+name, a.Header().Get("Cache-Control"), "private, max-age=3600")
			if a.Code != http.StatusNotFound || strings.Contains(a.body(), "alert") {
				t.Errorf("%s is answered %d", name, a.Code)
			}
		}
		if n := p.asked.Load() - before; n > 8 {
			t.Errorf("%s: the host was asked %d times", name, n)
		}
	}
	if n := other.asked.Load(); n != 0 {
		t.Errorf("a redirect led to a host that is not listed %d times", n)
	}
	r.portray("near", p.URL+"/away.png?to=/good.png")
	if a := r.get("anna", "/avatar?user=near"); a.Code != http.StatusOK {
		t.Errorf("a redirect within the host is answered %d", a.Code)
	}
}

func TestManyWhoAskForAPictureWaitForOneAnswer(t *testing.T) {
	t.Parallel()
	p := hostPictures(t)
	p.gate = make(chan struct{})
	r := pictured(t, p.URL+"/good.png", p.host())
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if a := r.get("anna", "/avatar?user=carl"); a.Code != http.StatusOK {
				t.Errorf("answer %d", a.Code)
			}
		})
	}
	close(p.gate)
	wait.Wait()
	if n := p.asked.Load(); n != 1 {
		t.Errorf("the host was asked %d times", n)
	}
}

func TestPicturesOfOthersAreNotForEverybody(t *testing.T) {
	t.Parallel()
	p := hostPictures(t)
	r := pictured(t, p.URL+"/good.png", p.host())
	r.portray("anna", p.URL+"/good.png?anna")
	for _, test := range []struct {
		who, user string
		want      int
	}{
		{"anna", "carl", http.StatusOK},
		{"carl", "carl", http.StatusOK},
		{"otto", "carl", http.StatusOK},
		{"carl", "anna", http.StatusNotFound},
		{"zoe", "carl", http.StatusNotFound},
		{"anna", "nobody", http.StatusNotFound},
		{"anna", "%00", http.StatusNotFound},
		{"anna", "otto", http.StatusNotFound},
	} {
		if a := r.get(test.who, "/avatar?user="+test.user); a.Code != test.want {
			t.Errorf("%s is answered %d for %s, want %d", test.who, a.Code, test.user, test.want)
		}
	}
}

func TestPicturesAreThoseOfWhomTheAddressNames(t *testing.T) {
	t.Parallel()
	p := hostPictures(t)
	r := pictured(t, "", p.host())
	for _, user := range []string{"100%", "a%41", "aA", "x/y", "ä ö", "..", "a?b#c", "a+b", "."} {
		r.portray(user, p.URL+"/good.png?"+url.QueryEscape(user))
		before := p.asked.Load()
		address := r.get("anna", "/?user="+url.QueryEscape(user)).want(http.StatusOK).one("#sessions img").attr["src"]
		if a := r.get("anna", asBrowsersDo(t, address)); a.Code != http.StatusOK {
			t.Errorf("%s is answered %d", address, a.Code)
		}
		if p.asked.Load() != before+1 {
			t.Errorf("%s is the picture of somebody else", address)
		}
	}
}

// asBrowsersDo resolves the dots in an address, also those that are escaped (WHATWG
// URL §4.4).
func asBrowsersDo(t *testing.T, address string) string {
	t.Helper()
	path, query, _ := strings.Cut(address, "?")
	u, err := url.Parse(strings.ReplaceAll(path, "%2E", "."))
	if err != nil {
		t.Fatal(err)
	}
	return (&url.URL{Path: "/"}).ResolveReference(u).EscapedPath() + "?" + query
}
