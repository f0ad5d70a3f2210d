package proof_test

import (
	"context"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/services/auditor/proof"
)

// recital is a log that makes its messages up when they are read, so that what is
// measured is not NATS. It notes how much memory is in use meanwhile.
type recital struct {
	last uint64
	most *uint64 // bytes of heap
}

var created = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

func (r recital) State(context.Context, string) (eventlog.State, error) {
	return eventlog.State{Created: created, First: 1, Last: r.last, LastTime: created}, nil
}

func (r recital) Stored(_ context.Context, _ string, from uint64, limit int) ([]eventlog.Stored, error) {
	if from%100_000 == 1 {
		*r.most = max(*r.most, heap())
	}
	var page []eventlog.Stored
	for sequence := from; sequence <= r.last && len(page) < limit; sequence++ {
		page = append(page, eventlog.Stored{
			Sequence: sequence, Time: created.Add(time.Duration(sequence)),
			Message: events.Message{
				Subject: "pos.v1.session.shop.anna",
				Header:  map[string][]string{"Nats-Msg-Id": {strconv.FormatUint(sequence, 10)}, "ce-type": {"session.logged_in"}},
				Data:    make([]byte, 600),
			},
		})
	}
	return page, nil
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// BenchmarkVerify says how many events a second are hashed and compared, without
// reading them from NATS, and how much memory that takes: it must not grow with the
// history.
//
//	go test -run - -bench Verify -benchtime 1x ./auditor/proof
func BenchmarkVerify(b *testing.B) {
	key, err := proof.OpenKey(b.TempDir(), "example.com/pos")
	if err != nil {
		b.Fatal(err)
	}
	for _, count := range []uint64{100_000, 1_000_000} {
		b.Run(strconv.FormatUint(count, 10), func(b *testing.B) {
			var most uint64
			log := recital{last: count, most: &most}
			dir, place := b.TempDir(), proof.Directory(filepath.Join(b.TempDir(), "elsewhere"))
			sign(b, proof.Config{Log: log, Dir: dir, Checkpoints: place, Key: key, Logger: quiet()})
			verifiers, err := proof.Verifiers(key.Public())
			if err != nil {
				b.Fatal(err)
			}
			before := heap()
			most = before
			for b.Loop() {
				summary, err := proof.Verify(b.Context(), proof.Verification{
					Log: log, Places: []proof.Place{place}, Dir: dir, Verifiers: verifiers,
					Report: func(f proof.Finding) { b.Error(f.Text) },
				})
				if err != nil || summary.Covered != count {
					b.Fatalf("verified %+v: %v", summary, err)
				}
				b.ReportMetric(float64(count)/summary.Took.Seconds(), "events/s")
			}
			b.ReportMetric(float64(most-before)/(1<<20), "MB")
		})
	}
}

// sign has an auditor read and sign everything.
func sign(b *testing.B, config proof.Config) {
	b.Helper()
	auditor, err := proof.New(b.Context(), config)
	if err != nil {
		b.Fatal(err)
	}
	ctx, end := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- auditor.Run(ctx) }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for auditor.Ready() != nil {
		<-tick.C
	}
	end()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	if err := auditor.Close(); err != nil {
		b.Fatal(err)
	}
}
