package main

import (
	"bytes"
	"regexp"
	"testing"
	"time"

	"github.com/posse-pos/posse/pkg/pgtest"
	"github.com/posse-pos/posse/services/posse/bench"
)

// TestBenchWatchers runs a part of the benchmark that starts posse again, which
// this test binary is when it is called so.
func TestBenchWatchers(t *testing.T) {
	t.Parallel()
	var report bytes.Buffer
	err := bench.Run(t.Context(), bench.Config{
		Postgres: pgtest.New(t), Dir: t.TempDir(), Only: []string{"watchers"}, Out: &report,
		Watch: bench.Watch{Screens: []int{3}, Users: 50, Touches: 100, For: 2 * time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{
		`nobody watches +0\.\d+\n`,
		`3 screens: touches stored +[1-9]\d*/s`,
		`3 screens: panes refreshed +[1-9]\d*/s`,
		`3 screens: from a touch to the screen +[0-9.]*[1-9][0-9.]*m?s, p99 [0-9.]*[1-9][0-9.]*m?s`,
		`3 screens: cores of the query service +0\.\d+\n`,
	} {
		if !regexp.MustCompile(row).Match(report.Bytes()) {
			t.Errorf("the report has no row %s:\n%s", row, &report)
		}
	}
}
