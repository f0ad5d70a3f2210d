package signin

import (
	"net/url"
	"strings"
)

// maxNext is the longest path that is gone on to, in bytes.
const maxNext = 1024

// localPath returns a path of this site, with its query, and "/" for everything
// that is none or that a browser might take to another site: it reads a backslash
// as a slash, drops control characters, and takes "//" for the beginning of a host
// (WHATWG URL §4.4).
func localPath(next string) string {
	isLocal := strings.HasPrefix(next, "/") && !strings.HasPrefix(next, "//")
	if !isLocal || len(next) > maxNext || strings.ContainsFunc(next, isSuspicious) {
		return "/"
	}
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || strings.Contains(u.Path, "//") || strings.Contains(u.Path, `\`) {
		return "/"
	}
	if strings.HasPrefix(u.Path, PathSignIn) || strings.HasPrefix(u.Path, PathSignOut) {
		return "/" // nobody wants to sign in to sign in
	}
	if local := pathOf(u); len(local) <= maxNext { // escaping may have made it longer
		return local
	}
	return "/"
}

// isSuspicious reports what has no place in a URL that is written as it should.
func isSuspicious(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }
