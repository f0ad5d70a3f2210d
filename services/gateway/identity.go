package gateway

import (
	"net/url"
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
