package gateway

import (
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/posse-pos/posse/events"
)

// FuzzOrigin holds that whatever a stranger calls their browser and address, the touch
// that reports it is a fact that everybody can read.
func FuzzOrigin(f *testing.F) {
	f.Add("203.0.113.9", "curl/8")
	f.Add(strings.Repeat("1", 65), strings.Repeat("é", 400))
	f.Add("\xff", "\x00\xff")
	f.Fuzz(func(t *testing.T, ip, agent string) {
		cut := Origin{IP: ip, UserAgent: agent}.cut()
		if len(cut.IP) > maxIP || len(cut.UserAgent) > events.MaxUserAgent || !utf8.ValidString(cut.UserAgent) || !utf8.ValidString(cut.IP) {
			t.Errorf("%q, %q is cut to %+v", ip, agent, cut)
		}
		if !strings.Contains(strings.ToValidUTF8(agent, ""), cut.UserAgent) {
			t.Errorf("%q is cut to %q", agent, cut.UserAgent)
		}
		if again := cut.cut(); again != cut {
			t.Errorf("cut twice it is %+v and then %+v", cut, again)
		}
	})
}

// FuzzBearerToken holds that a token is what follows the scheme in the only
// Authorization header.
func FuzzBearerToken(f *testing.F) {
	for _, header := range []string{"Bearer a.b.c", "bearer  x ", "Bearer", "Bearer ", "Basic x", "", "BearerX y", "Bearer\ta"} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		r := &http.Request{Header: http.Header{"Authorization": {header}}}
		token := BearerToken(r)
		if token != "" && (len(header) < len("Bearer ") || !strings.EqualFold(header[:len("Bearer ")], "Bearer ") ||
			strings.TrimSpace(header[len("Bearer "):]) != token) {
			t.Errorf("the token of %q is %q", header, token)
		}
		r.Header.Add("Authorization", header)
		if twice := BearerToken(r); twice != "" {
			t.Errorf("the token of two headers is %q", twice)
		}
	})
}
