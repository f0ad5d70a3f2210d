package screen_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
	"time"
)

// assetsOf are the addresses of the files that a page loads.
func assetsOf(page *node) []string {
	return append(page.values("link[href]", "href"), page.values("script[src]", "src")...)
}

func unpack(t *testing.T, packed io.Reader) []byte {
	t.Helper()
	reader, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestAssetsAreKeptForGoodByTheirHash(t *testing.T) {
	t.Parallel()
	r := setup(t)
	addresses := assetsOf(r.get("anna", "/").want(http.StatusOK))
	if len(addresses) != 3 {
		t.Fatalf("a page loads %q", addresses)
	}
	types := map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
	for _, address := range addresses {
		plain, packed := r.get("", address), r.get("", address, "Accept-Encoding", "gzip, br")
		sum := sha256.Sum256(plain.Body.Bytes())
		contains(t, "the hash is that of the content", address, hex.EncodeToString(sum[:6]))
		for name, a := range map[string]answer{"plain": plain, "gzip": packed} {
			h := a.Header()
			if a.Code != http.StatusOK {
				t.Errorf("%s is answered %d", address, a.Code)
			}
			same(t, name+" type", h.Get("Content-Type"), types[path.Ext(address)])
			same(t, name+" caching", h.Get("Cache-Control"), "public, max-age=31536000, immutable")
			same(t, name+" sniffing", h.Get("X-Content-Type-Options"), "nosniff")
			contains(t, name+" policy", h.Get("Content-Security-Policy"), "default-src 'none'")
			contains(t, name+" caches know", h.Get("Vary"), "Accept-Encoding")
		}
		same(t, "encoding", plain.Header().Get("Content-Encoding"), "")
		same(t, "encoding", packed.Header().Get("Content-Encoding"), "gzip")
		if packed.Body.Len() >= plain.Body.Len() || !bytes.Equal(unpack(t, packed.Body), plain.Body.Bytes()) {
			t.Errorf("%s is not the same compressed", address)
		}
	}
}

func TestAssetsAreForEverybody(t *testing.T) {
	t.Parallel()
	r := setup(t)
	address := assetsOf(r.get("anna", "/").want(http.StatusOK))[1]
	if a := r.send("nobody", http.MethodHead, address, ""); a.Code != http.StatusOK || a.Header().Get("Content-Length") == "" {
		t.Errorf("HEAD is answered %d %v", a.Code, a.Header())
	}
	if r.guard.times() != 1 {
		t.Error("the guard is asked about assets")
	}
}

func TestUnknownAssetsAreNotThere(t *testing.T) {
	t.Parallel()
	r := setup(t)
	for _, name := range []string{"screen.css", "screen.000000000000.css", "..%2fscreen.css", "%2e%2e", "vendor", "screen.js"} {
		a := r.get("anna", "/assets/"+name)
		if a.Code != http.StatusNotFound || strings.Contains(a.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s is answered %d %v", name, a.Code, a.Header())
		}
	}
}

func TestEveryAddressInATemplateExists(t *testing.T) {
	t.Parallel()
	r := everything(t)
	everyPage(r, "en", func(name string, page *node) {
		for _, address := range assetsOf(page) {
			if a := r.get("", address); a.Code != http.StatusOK {
				t.Errorf("%s: %s is answered %d", name, address, a.Code)
			}
		}
	})
}

func TestTheStyleSheetLoadsNothing(t *testing.T) {
	t.Parallel()
	css, err := os.ReadFile("assets/screen.css")
	if err != nil {
		t.Fatal(err)
	}
	if found := regexp.MustCompile(`url\([^)]*\)|@import`).FindAll(css, -1); len(found) > 0 {
		t.Errorf("it loads %q", found)
	}
}

func TestVendoredFilesHaveTheirLicence(t *testing.T) {
	t.Parallel()
	licence, err := os.ReadFile("assets/vendor/htmx-LICENSE.txt")
	if err != nil || !bytes.Contains(licence, []byte("Permission")) {
		t.Errorf("the licence is %.80q, %v", licence, err)
	}
}

// TestTheWeightOfThePage measures the screen of a shop as busy as the demo's: a
// full list, and somebody with a dozen devices.
func TestTheWeightOfThePage(t *testing.T) {
	t.Parallel()
	const most = 60 << 10 // bytes, of everything that a first visit loads
	r := setup(t)
	r.crowd(200)
	for i := range 12 {
		login := r.login("carl", fmt.Sprintf("carl-%d", i), []string{firefox, till, ipad}[i%3], time.Duration(i)*time.Minute)
		login.Personal.DeviceLabel, login.Personal.IP = fmt.Sprintf("Counter %d", i), fmt.Sprintf("192.0.2.%d", i*7)
		r.signedIn(login)
	}
	a := r.get("anna", "/?user=carl", "Accept-Encoding", "gzip")
	same(t, "encoding", a.Header().Get("Content-Encoding"), "gzip")
	total, page := a.Body.Len(), answer{a.ResponseRecorder, r}
	page.Body = bytes.NewBuffer(unpack(t, page.Body))
	t.Logf("page: %d bytes, %d uncompressed", total, page.Body.Len())
	if root := page.page(); len(usersOf(root)) != 51 || len(sessionsOf(root)) != 12 {
		t.Fatalf("the page has %d users and %d sessions", len(usersOf(root)), len(sessionsOf(root)))
	}
	for _, address := range assetsOf(page.page()) {
		size := r.get("", address, "Accept-Encoding", "gzip").Body.Len()
		t.Logf("%s: %d bytes", address, size)
		total += size
	}
	t.Logf("in all: %d bytes", total)
	if total > most {
		t.Errorf("the page weighs %d bytes compressed, want at most %d", total, most)
	}
}

func TestPagesAreCompressed(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	for _, a := range []answer{
		r.get("anna", "/?user=carl", "Accept-Encoding", "gzip"),
		r.pane("anna", "section#sessions", "/?user=carl", "Accept-Encoding", "gzip"),
		r.get("anna", "/?user=nobody", "Accept-Encoding", "gzip"),
	} {
		same(t, "encoding", a.Header().Get("Content-Encoding"), "gzip")
		contains(t, "content", string(unpack(t, a.Body)), "</section>")
	}
}
