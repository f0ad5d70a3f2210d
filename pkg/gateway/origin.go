package gateway

import (
	"strings"
	"unicode/utf8"

	"github.com/posse-pos/posse/events"
)

// Origin is where a request came from: what a touch says besides the moment.
type Origin struct {
	// IP is the client's address, without a port.
	IP string
	// UserAgent is cut at events.MaxUserAgent bytes.
	UserAgent string
}

// maxIP is the longest address in text: IPv6 with an embedded IPv4, and a zone.
const maxIP = 64

// cut makes what a stranger sent fit for a fact.
func (o Origin) cut() Origin {
	if len(o.IP) > maxIP || !utf8.ValidString(o.IP) {
		o.IP = ""
	}
	if len(o.UserAgent) > events.MaxUserAgent {
		o.UserAgent = o.UserAgent[:events.MaxUserAgent]
	}
	o.UserAgent = strings.ToValidUTF8(o.UserAgent, "")
	return o
}
