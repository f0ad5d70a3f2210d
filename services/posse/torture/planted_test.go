package torture_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/posse-pos/posse/services/posse/torture"
)

// TestBugsCanBePlanted keeps the places of planted bugs in step with the source.
func TestBugsCanBePlanted(t *testing.T) {
	t.Parallel()
	for _, bug := range torture.PlantedBugs {
		for _, edit := range bug.Edits {
			source, err := os.ReadFile(filepath.Join("..", "..", "..", edit.File))
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(source), edit.Old); n != 1 || edit.Old == edit.New || len(bug.Breaks) == 0 || len(bug.Seeds) == 0 {
				t.Errorf("%s: %s has %q %d times, want it once, another text in its place, a plan, and a promise that breaks", bug.Name, edit.File, edit.Old, n)
			}
		}
	}
}
