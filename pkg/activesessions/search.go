package activesessions

import (
	"strings"
	"unicode"
)

// searchSeparator stands between the fields of a search text. Fold removes it
// from whatever people write, so no filter matches across it.
const searchSeparator = "\x01"

// Fold brings a text to the form in which filters are compared: without regard
// to case, by the simple case folding of Unicode, and without control
// characters.
func Fold(s string) string { return strings.Map(foldRune, s) }

// SearchText is what a filter is looked for in: its Fold must be part of it.
func SearchText(username, displayName string) string {
	return Fold(username) + searchSeparator + Fold(displayName)
}

// foldRune returns the least of the characters that differ from r only by case.
func foldRune(r rune) rune {
	switch {
	case 'a' <= r && r <= 'z':
		return r - 'a' + 'A'
	case ' ' <= r && r <= '~':
		return r
	}
	if unicode.IsControl(r) {
		return -1
	}
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	return least
}
