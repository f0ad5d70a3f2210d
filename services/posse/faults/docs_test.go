package faults_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestTheTableIsDocumented holds docs/operations.md to what TestFaults plays.
func TestTheTableIsDocumented(t *testing.T) {
	t.Parallel()
	var want strings.Builder
	want.WriteString("| what breaks | `fail_closed` | `grace` | `fail_open` |\n|---|---|---|---|\n")
	for _, f := range table {
		fmt.Fprintf(&want, "| %s | %s | %s | %s |\n", f.name, f.sees[0], f.sees[1], f.sees[2])
	}
	page, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "\n"+want.String()+"\n") {
		t.Errorf("docs/operations.md does not have this table:\n%s", &want)
	}
}
