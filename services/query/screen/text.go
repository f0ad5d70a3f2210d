package screen

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// key names something in the page whose own id may hold what an attribute id must
// not.
func key(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:6])
}

// isolated keeps a stranger's text from turning the direction of what surrounds
// it, where there is no <bdi>: in attributes and titles (Unicode UAX #9).
func isolated(s string) string {
	const firstStrongIsolate, popIsolate = "\u2068", "\u2069"
	return firstStrongIsolate + strings.Map(func(r rune) rune {
		if r >= '\u202A' && r <= '\u202E' || r >= '\u2066' && r <= '\u2069' {
			return -1
		}
		return r
	}, s) + popIsolate
}
