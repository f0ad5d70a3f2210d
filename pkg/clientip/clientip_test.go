package clientip

import (
	"net/http"
	"net/netip"
	"testing"
)

func TestOf(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	cases := []struct {
		about, peer string
		forwarded   []string
		want        string
	}{
		{"no proxy", "192.0.2.1:5000", nil, "192.0.2.1"},
		{"a client that makes up a way", "192.0.2.1:5000", []string{"198.51.100.7"}, "192.0.2.1"},
		{"one proxy", "10.0.0.1:80", []string{"198.51.100.7"}, "198.51.100.7"},
		{"a client that makes up a way through a proxy", "10.0.0.1:80", []string{"1.1.1.1, 198.51.100.7"}, "198.51.100.7"},
		{"two proxies", "10.0.0.1:80", []string{"1.1.1.1, 198.51.100.7, 10.0.0.2"}, "198.51.100.7"},
		{"several headers", "10.0.0.1:80", []string{"198.51.100.7", "10.0.0.2"}, "198.51.100.7"},
		{"only proxies", "10.0.0.1:80", []string{"10.0.0.2"}, "10.0.0.2"},
		{"rubbish behind a proxy", "10.0.0.1:80", []string{"1.1.1.1, unknown"}, "10.0.0.1"},
		{"an empty header", "10.0.0.1:80", []string{""}, "10.0.0.1"},
		{"with ports", "[fd00::1]:80", []string{"[2001:db8::1]:443"}, "2001:db8::1"},
		{"in brackets", "[fd00::1]:80", []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"IPv4 in IPv6", "[::ffff:10.0.0.1]:80", []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		{"a zone", "[fe80::1%eth0]:80", nil, "fe80::1"},
		{"no peer", "", []string{"198.51.100.7"}, ""},
	}
	for _, c := range cases {
		if got := Of(request(c.peer, c.forwarded...), proxies); got != c.want {
			t.Errorf("%s: %q, want %q", c.about, got, c.want)
		}
	}
}

func request(peer string, forwarded ...string) *http.Request {
	return &http.Request{RemoteAddr: peer, Header: http.Header{"X-Forwarded-For": forwarded}}
}

// FuzzOf holds that an untrusted peer can make nobody believe anything.
func FuzzOf(f *testing.F) {
	f.Add("10.0.0.1:80", "1.1.1.1, 10.0.0.2", "[::1]:80")
	f.Add("", ",,,", "%")
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, peer, first, second string) {
		r := request(peer, first, second)
		got := Of(r, proxies)
		if got == "" {
			return
		}
		if _, err := netip.ParseAddr(got); err != nil {
			t.Fatalf("%q is no address: %v", got, err)
		}
		if from, ok := parse(peer); ok && !FromTrusted(r, proxies) && got != from.String() {
			t.Fatalf("%q, an untrusted peer, made us believe %q", peer, got)
		}
	})
}
