package gateway

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// headerValue writes an id so that it goes through any proxy as it is: one that is
// not made of printable ASCII, or has a space or a percent sign, is
// percent-encoded. Ids come from foreign systems and may be any UTF-8.
func headerValue(id string) string {
	plain := func(r rune) bool { return r > ' ' && r <= '~' && r != '%' }
	if strings.ContainsFunc(id, func(r rune) bool { return !plain(r) }) {
		return url.PathEscape(id)
	}
	return id
}

// clientIP walks back along the way that a request says it took, as long as
// whoever says so is a trusted proxy. Each one appends whom it saw, so that what
// is left of the first that is not trusted may be made up.
func clientIP(trusted []netip.Prefix, r *http.Request) string {
	client, ok := parseAddress(r.RemoteAddr)
	if !ok {
		return ""
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		address, ok := parseAddress(strings.TrimSpace(hop))
		if !ok || !isTrusted(trusted, client) {
			break
		}
		client = address
	}
	return client.String()
}

func isTrusted(trusted []netip.Prefix, address netip.Addr) bool {
	return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(address) })
}

// fromTrusted reports whether the peer of a request is a trusted proxy.
func fromTrusted(trusted []netip.Prefix, r *http.Request) bool {
	peer, ok := parseAddress(r.RemoteAddr)
	return ok && isTrusted(trusted, peer)
}

// parseAddress reads an address with or without a port, as proxies write both.
func parseAddress(s string) (netip.Addr, bool) {
	if withPort, err := netip.ParseAddrPort(s); err == nil {
		return withPort.Addr().Unmap().WithZone(""), true
	}
	address, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return address.Unmap().WithZone(""), err == nil
}
