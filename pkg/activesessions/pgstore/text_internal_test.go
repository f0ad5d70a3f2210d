package pgstore

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzText holds that PostgreSQL takes every text, gives it back as it was, and keeps
// the order of texts by their bytes.
func FuzzText(f *testing.F) {
	f.Add("", "\x00")
	f.Add("\x01", "\x01\x01")
	f.Add("a\x00b", "a\x01\x02b")
	f.Add("\xff", "é")
	f.Fuzz(func(t *testing.T, a, b string) {
		left, right := toText(a), toText(b)
		if strings.Contains(left, "\x00") || !utf8.ValidString(left) {
			t.Errorf("PostgreSQL refuses %q, which %q becomes", left, a)
		}
		if !utf8.ValidString(a) || !utf8.ValidString(b) {
			return
		}
		if back := fromText(left); back != a {
			t.Errorf("%q comes back as %q", a, back)
		}
		if strings.Compare(left, right) != strings.Compare(a, b) {
			t.Errorf("%q and %q are ordered otherwise as %q and %q", a, b, left, right)
		}
	})
}
