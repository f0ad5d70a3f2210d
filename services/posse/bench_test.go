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
	expectRows(t, bench.Config{
		Only: []string{"watchers"}, Watch: bench.Watch{Screens: []int{3}, Users: 50, Touches: 100, For: 2 * time.Second},
	},
		`nobody watches +0\.\d+\n`,
		`3 screens: touches stored +[1-9]\d*/s`,
		`3 screens: panes refreshed +[1-9]\d*/s`,
		`3 screens: from a touch to the screen +[0-9.]*[1-9][0-9.]*m?s, p99 [0-9.]*[1-9][0-9.]*m?s`,
		`3 screens: cores of the query service +0\.\d+\n`,
	)
}

// TestBenchScreen asks the screen what people ask, of a few sessions.
func TestBenchScreen(t *testing.T) {
	t.Parallel()
	const latencies = `( +[0-9.]*[1-9][0-9.]*[mµ]?s, p99 [0-9.]*[1-9][0-9.]*m?s){2}`
	expectRows(t, bench.Config{Only: []string{"screen"}, Sessions: []int{10, 100}},
		`active sessions +10 +100\n`,
		`first page of users`+latencies,
		`keystroke in the filter`+latencies,
		`selecting a user`+latencies,
	)
}

// TestBenchGateways connects a few gateways to a bus that is a process of its own.
func TestBenchGateways(t *testing.T) {
	t.Parallel()
	expectRows(t, bench.Config{Only: []string{"gateways"}, Gateways: 5, FleetWatched: time.Second},
		`memory of each, the SDK +\d+ kB\n`,
		`cores for one tick a second, the SDK +\d\.\d+\n`,
		`CPU of a revocation in a burst, a consumer each +[0-9.]+[nmµ]?s\n`,
		`cores for the reports of 5 gateways +\d\.\d+\n`,
		`ratio +-?\d+\.\d+ +aim ≤ 0.01\n`,
	)
}

// expectRows runs a part against a database of its own.
func expectRows(t *testing.T, config bench.Config, rows ...string) {
	t.Helper()
	var report bytes.Buffer
	config.Postgres, config.Dir, config.Out = pgtest.New(t), t.TempDir(), &report
	if err := bench.Run(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if !regexp.MustCompile(row).Match(report.Bytes()) {
			t.Errorf("the report has no row %s:\n%s", row, &report)
		}
	}
}
