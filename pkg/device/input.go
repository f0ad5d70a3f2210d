package device

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxDeclared = 64  // bytes of a declared platform or version
	maxHint     = 256 // bytes of a client hint
)

// input is everything that a result depends on, cleaned and cut to size.
type input struct {
	userAgent  string
	platform   string
	appVersion string
	hints      hints
}

func newInput(d Declared, userAgent string) input {
	return input{
		userAgent:  clean(userAgent, MaxUserAgent),
		platform:   strings.ToLower(clean(d.Platform, maxDeclared)),
		appVersion: clean(d.AppVersion, maxDeclared),
		hints:      newHints(d.ClientHints),
	}
}

// Hash returns the key under which the result for d and userAgent can be kept:
// hex SHA-256. Inputs that cannot differ in their result, such as two builds of
// one version, share a hash. It means the same thing in every process, as long
// as Version stays the same.
func Hash(d Declared, userAgent string) string {
	sum := newInput(d, userAgent).sum()
	return hex.EncodeToString(sum[:])
}

// sum hashes the fields with their lengths in front, so that no field's content
// can pass for the end of another.
func (in input) sum() [sha256.Size]byte {
	var space [1024]byte
	buf := space[:0]
	for _, field := range [...]string{
		in.userAgent, in.platform, in.appVersion,
		in.hints.brands, in.hints.platform, in.hints.platformVersion, in.hints.model, in.hints.mobile,
	} {
		buf = binary.AppendUvarint(buf, uint64(len(field)))
		buf = append(buf, field...)
	}
	return sha256.Sum256(buf)
}

// clean cuts s to limit bytes, without splitting a character, and drops what is
// not text: invalid UTF-8 and control characters, which a database refuses and
// a terminal obeys.
func clean(s string, limit int) string {
	s = cut(s, limit)
	if isPlain(s) {
		return s
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) {
			return -1
		}
		return r
	}, s))
}

// isPlain reports whether s is printable ASCII without space around it, which
// nearly every user agent is.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return s == "" || (s[0] != ' ' && s[len(s)-1] != ' ')
}

// cut shortens s to at most limit bytes and ends it before a character that
// would not fit whole.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	end := limit
	for end > limit-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}
