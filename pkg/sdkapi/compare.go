package main

import (
	"errors"
	"slices"
	"strings"
)

// change is what happened to an API since it was recorded.
type change struct {
	gone, added []string
}

func compare(recorded, now []string) (c change) {
	for _, line := range recorded {
		if line != "" && !slices.Contains(now, line) {
			c.gone = append(c.gone, line)
		}
	}
	for _, line := range now {
		if !slices.Contains(recorded, line) {
			c.added = append(c.added, line)
		}
	}
	return c
}

// err says what changed and what to do about it, or is nil if nothing did.
func (c change) err() error {
	if len(c.gone)+len(c.added) == 0 {
		return nil
	}
	var text strings.Builder
	text.WriteString("the gateway SDK's API is not the one in " + record + ":\n")
	for _, line := range c.gone {
		text.WriteString("- " + line + "\n")
	}
	for _, line := range c.added {
		text.WriteString("+ " + line + "\n")
	}
	if len(c.gone) > 0 {
		text.WriteString("Lines with a minus are gone, which breaks those who use them: bring them back, and deprecate them " +
			"if there is something better. If it has to be, the next release has a new major version (before v1 a new minor one): " +
			"run `make api BREAKING=yes`, and tell the users in CHANGELOG.md what to write instead.")
	} else {
		text.WriteString("Everything is new and breaks nobody: run `make api` and commit.")
	}
	return errors.New(text.String())
}
