package words_test

import (
	"maps"
	"slices"
	"testing"
)

// use is one place that says a text.
type use struct {
	where string
	ids   []string // the texts that it may say
	gives []string // the names of the variables that it gives
}

func allUses(t *testing.T) []use {
	t.Helper()
	c := readCode(t)
	inGo, inTemplates := c.uses(), c.usesInTemplates(t)
	if len(inGo) < 10 || len(inTemplates) < 50 {
		t.Fatalf("only %d places in Go and %d in templates say something", len(inGo), len(inTemplates))
	}
	return slices.Concat(inGo, inTemplates)
}

func TestEveryTextThatIsSaidExistsAndIsGivenItsVariables(t *testing.T) {
	t.Parallel()
	texts := readFile(t, "en").texts
	for _, use := range allUses(t) {
		if len(use.ids) == 0 {
			t.Errorf("%s: which text is this? Write its id out, or name what it consists of in this test", use.where)
		}
		for _, id := range use.ids {
			if texts[id] == nil {
				t.Errorf("%s: there is no text %s", use.where, id)
			}
			for _, name := range variables(texts[id]["other"]) {
				if !slices.Contains(use.gives, name) {
					t.Errorf("%s: %s is not given %s", use.where, id, name)
				}
			}
			if texts[id].plural() && !slices.Contains(use.gives, "N") {
				t.Errorf("%s: %s is not given N, which chooses the plural form", use.where, id)
			}
		}
	}
}

func TestEveryTextIsSaidSomewhere(t *testing.T) {
	t.Parallel()
	unsaid := map[string]bool{}
	for _, id := range readFile(t, "en").ids {
		unsaid[id] = true
	}
	for _, use := range allUses(t) {
		for _, id := range use.ids {
			delete(unsaid, id)
		}
	}
	if len(unsaid) > 0 {
		t.Errorf("nothing says %q", slices.Sorted(maps.Keys(unsaid)))
	}
}
