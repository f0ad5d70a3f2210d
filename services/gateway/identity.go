package gateway

import (
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/posse-pos/posse/pkg/gateway"
)

// setIdentity tells who is asking, and drops what others said of it.
func setIdentity(h http.Header, session gateway.Session) {
	maps.DeleteFunc(h, func(name string, _ []string) bool { return gateway.IsIdentityHeader(name) })
	h.Set(gateway.HeaderSession, headerValue(session.ID))
	h.Set(gateway.HeaderUser, headerValue(session.User))
	h.Set(gateway.HeaderTenant, headerValue(session.Tenant))
}

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
