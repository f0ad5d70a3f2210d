// Package clientip says where a request came from, as far as that can be
// believed: X-Forwarded-For counts only from proxies that are listed.
package clientip

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Of returns the address that a request came from, without a port or a zone; ""
// when the peer's is not known. It walks back along the way that the request says
// it took, for as long as the one who says so is a trusted proxy. Each proxy
// appends the address that it saw, so the right end is the newest, and everything
// left of the first address that is not a trusted proxy's may be made up.
func Of(r *http.Request, trusted []netip.Prefix) string {
	client, ok := parse(r.RemoteAddr)
	if !ok {
		return ""
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		address, ok := parse(strings.TrimSpace(hop))
		if !ok || !contains(trusted, client) {
			break
		}
		client = address
	}
	return client.String()
}

// FromTrusted reports whether the peer of a request is a trusted proxy.
func FromTrusted(r *http.Request, trusted []netip.Prefix) bool {
	peer, ok := parse(r.RemoteAddr)
	return ok && contains(trusted, peer)
}

func contains(trusted []netip.Prefix, address netip.Addr) bool {
	return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(address) })
}

// parse reads an address with or without a port, as proxies write both.
func parse(s string) (netip.Addr, bool) {
	if withPort, err := netip.ParseAddrPort(s); err == nil {
		return withPort.Addr().Unmap().WithZone(""), true
	}
	address, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return address.Unmap().WithZone(""), err == nil
}
