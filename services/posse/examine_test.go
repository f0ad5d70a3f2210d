package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/posse-pos/posse/services/posse/doctor"
)

// TestReportIsFitForATerminal prints what strangers chose.
func TestReportIsFitForATerminal(t *testing.T) {
	t.Parallel()
	findings := []doctor.Finding{
		{Level: doctor.Warning, Found: "server \"\x1b[2J\nok everything\" is away", Do: "start\tit"},
		{Level: doctor.OK, Found: strings.Repeat("x", 10*maxFinding)},
	}
	for _, asJSON := range []bool{false, true} {
		var out strings.Builder
		if err := report(&out, findings, asJSON); err != nil {
			t.Errorf("without a problem: %v", err)
		}
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if len(lines) != len(findings) || strings.ContainsAny(out.String(), "\x1b\t") {
			t.Errorf("%q is not one plain line for each finding", lines)
		}
		if n := utf8.RuneCountInString(lines[len(lines)-1]); n > 2*maxFinding {
			t.Errorf("a line has %d runes", n)
		}
	}
	problem := []doctor.Finding{{Level: doctor.Problem, Found: "it is gone", Do: "bring it back"}}
	var out strings.Builder
	if err := report(&out, problem, false); err == nil || out.String() != "problem  it is gone → bring it back\n" {
		t.Errorf("%q, error %v, want the problem as both", out.String(), err)
	}
}
