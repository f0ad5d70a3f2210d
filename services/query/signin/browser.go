package signin

import (
	"net/http"
	"strings"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/httpapi"
)

// hints are the client hints that tell devices apart (User-Agent Client Hints).
var hints = []string{
	"Sec-CH-UA", "Sec-CH-UA-Mobile", "Sec-CH-UA-Model", "Sec-CH-UA-Platform", "Sec-CH-UA-Platform-Version",
}

// personalOf is what a browser says of itself and who signs in with it, cut to
// what a fact may hold.
func personalOf(r *http.Request, who Identity) events.LoginPersonal {
	personal := events.LoginPersonal{
		Username: who.Username, DisplayName: who.DisplayName, AvatarURL: who.AvatarURL,
		UserAgent: userAgentOf(r), IP: httpapi.ClientIP(r.Context()),
	}
	for _, name := range hints {
		value := cut(r.Header.Get(name), events.MaxClientHint)
		if value == "" {
			continue
		}
		if personal.ClientHints == nil {
			personal.ClientHints = make(map[string]string, len(hints))
		}
		personal.ClientHints[name] = value
	}
	return personal
}

func userAgentOf(r *http.Request) string { return cut(r.UserAgent(), events.MaxUserAgent) }

// cut makes what a stranger sent fit for a fact: at most so many bytes of UTF-8
// without U+0000, which no store holds.
func cut(s string, most int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", "")
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}
