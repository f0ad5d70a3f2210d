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

// TestBenchOverload offers too much for a moment.
func TestBenchOverload(t *testing.T) {
	t.Parallel()
	const latency = ` +[0-9.]*[1-9][0-9.]*[mµ]?s, p99 [0-9.]*[1-9][0-9.]*m?s\n`
	expectRows(t, bench.Config{Only: []string{"overload"}, OverloadFor: time.Second},
		`a login, alone`+latency, `Terminate, alone`+latency,
		`sustainable logins, 64 callers +[1-9][\d,]*/s\n`,
		`logins offered +[1-9][\d,]*/s\n +accepted +[1-9][\d,]*/s\n +refused with 429 or 503 +\d[\d,]*/s\n`,
		`an accepted login`+latency, `Terminate meanwhile`+latency,
		`Terminates that were not carried out +\d+ of 20 +aim 0\n`,
	)
}

// TestBenchGateways connects a few gateways to a bus that is a process of its own.
func TestBenchGateways(t *testing.T) {
	t.Parallel()
	expectRows(t, bench.Config{Only: []string{"gateways"}, Gateways: 5, FleetWatched: time.Second},
		`memory of each, the SDK +\d+ kB\n`,
		`cores for one tick a second, the SDK +\d\.\d+\n`,
		`CPU of a revocation in a burst, a consumer each +[0-9.]+[nmµ]?s\n`,
		`reports of each gateway of an end, nobody waiting +-?\d+\.\d+\n`,
		`CPU of the reports of an end that is waited for +-?[0-9.]+[nmµ]?s\n`,
		`cores for those of 100 ends waited for +-?\d\.\d+\n`,
		`cores for 1,000 touches a second +\d\.\d+\n`,
		`ratio +-?\d+\.\d+ +aim ≤ 0.01\n`,
		`gateways named as missing +3\n`,
	)
}

// TestBenchRevocations fills a stream and revokes a few sessions at once.
func TestBenchRevocations(t *testing.T) {
	t.Parallel()
	expectRows(t, bench.Config{Only: []string{"revocations"}, Revocations: 2000, Burst: 1500, Rounds: 1, FleetWatched: time.Second},
		`a gateway of the SDK loads them +[1-9][\d,]*/s`,
		`  of each revocation +[1-9]\d* bytes`,
		`size of the snapshot +0\.1 MB\n`,
		`from New to Ready with it, NATS away +[0-9.]*[1-9][0-9.]*[mµ]?s\n`,
		`as a relay stores them +[1-9][\d,]*/s`,
		`hear of it: 1, which hold 2,000 revocations\n +until all are in the log +[0-9.]*[1-9][0-9.]*m?s\n`,
		`hear of it: 10, which hold 0 revocations\n +until all are in the log +[0-9.]*[1-9][0-9.]*m?s\n`,
		`good sessions refused meanwhile +\d+ of [1-9]\d* +aim 0\n`,
	)
}

// TestBenchRebuild rebuilds a small read model.
func TestBenchRebuild(t *testing.T) {
	t.Parallel()
	expectRows(t, bench.Config{Only: []string{"rebuild"}, Events: 3000, Rounds: 2},
		`rebuild of 3,000 logins`,
		`bare unnest upserts +[1-9][\d,]*/s\n +rebuild, from the log +[1-9][\d,]*/s\n +ratio +\d+\.\d+ +aim ≥ 0.50\n`,
	)
}

// TestBenchReplay writes a short history, and a file of it.
func TestBenchReplay(t *testing.T) {
	t.Parallel()
	const compared = `bare ordered consumer +[1-9][\d,]*/s\n +replay, to a (pipe|file) +[1-9][\d,]*/s\n +ratio +\d+\.\d+ +aim ≥ 0.50\n`
	expectRows(t, bench.Config{Only: []string{"replay"}, Events: 3000, Rounds: 1},
		`replay of 3,000 events to NDJSON`, compared+` +`+compared,
	)
}

// TestBenchVerify signs and verifies a short history.
func TestBenchVerify(t *testing.T) {
	t.Parallel()
	const figures = ` verified in +[0-9.]+[mµ]?s\n +events +[1-9][\d,]*/s\n +most memory meanwhile +\d+\.\d MB`
	expectRows(t, bench.Config{Only: []string{"verify"}, Events: 3000},
		`  300 events`+figures, `  3,000 events`+figures, `against a bare ordered consumer +\d+\.\d+\n`,
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
