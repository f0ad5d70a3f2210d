package main

import (
	"strings"
	"unicode"
)

// plain makes text from strangers fit for a terminal: what is not printable
// (escape sequences, line breaks, marks that turn the direction of writing)
// becomes "·".
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || unicode.IsGraphic(r) && !unicode.IsSpace(r) {
			return r
		}
		return '·'
	}, text)
}
