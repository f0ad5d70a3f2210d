package screen

import (
	"strings"
	"unicode"
)

// initials are the first letters of the first and the last word of a name.
func initials(name string) string {
	var letters []rune
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) }) {
		for _, r := range word {
			letters = append(letters, unicode.ToUpper(r))
			break
		}
	}
	switch len(letters) {
	case 0:
		return "?"
	case 1:
		return string(letters)
	default:
		return string([]rune{letters[0], letters[len(letters)-1]})
	}
}

// hue is one of twelve.
func hue(id string) int {
	sum := 0
	for i := range len(id) {
		sum = (sum*31 + int(id[i])) % 12
	}
	return sum
}
