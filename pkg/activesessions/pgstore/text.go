package pgstore

import "strings"

// PostgreSQL's text holds every character but NUL. Facts come from strangers, so
// NUL is escaped with a character that is as rare. The order of texts by their
// bytes stays what it was.
const (
	escape        = "\x01"
	escapedNUL    = "\x01\x01"
	escapedEscape = "\x01\x02"
)

var (
	escaper   = strings.NewReplacer("\x00", escapedNUL, escape, escapedEscape)
	unescaper = strings.NewReplacer(escapedNUL, "\x00", escapedEscape, escape)
)

// toText brings a string to the form that it has in the database.
func toText(s string) string {
	for i := range len(s) {
		if c := s[i]; c <= escape[0] || c >= 0x80 {
			return escaper.Replace(strings.ToValidUTF8(s, "\ufffd"))
		}
	}
	return s
}

// fromText inverts toText.
func fromText(s string) string {
	if strings.IndexByte(s, escape[0]) < 0 {
		return s
	}
	return unescaper.Replace(s)
}

func toTexts(texts []string) []string {
	encoded := make([]string, len(texts))
	for i, s := range texts {
		encoded[i] = toText(s)
	}
	return encoded
}

var likeEscaper = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// likePattern matches texts that contain s, which knows no wildcards.
func likePattern(s string) string {
	return "%" + likeEscaper.Replace(toText(s)) + "%"
}
