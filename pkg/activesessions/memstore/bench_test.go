package memstore_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/activesessions/memstore"
	"github.com/posse-pos/posse/pkg/eventlog"
)

const (
	benchSessions = 200_000
	benchUsers    = 40_000
	benchBatch    = 1000
)

var benchStart = time.Now().Add(-time.Hour)

// BenchmarkApply reports how fast logins and touches are applied, what a session
// takes in memory, and how long the first page of users takes.
func BenchmarkApply(b *testing.B) {
	for b.Loop() {
		store := memstore.New(memstore.Config{})
		before := heap()
		logins := applyAll(b, store, events.StreamSessions, benchLogin)
		b.ReportMetric(float64(heap()-before)/benchSessions, "B/session")
		touches := applyAll(b, store, events.StreamTouches, benchTouch)
		b.ReportMetric(benchSessions/logins.Seconds(), "logins/s")
		b.ReportMetric(benchSessions/touches.Seconds(), "touches/s")
		start := time.Now()
		page, err := store.Users(b.Context(), activesessions.UsersQuery{Tenant: "bakery", Now: time.Now()})
		if err != nil || page.Sessions != benchSessions {
			b.Fatalf("%d sessions, %v", page.Sessions, err)
		}
		b.ReportMetric(float64(time.Since(start).Microseconds()), "us/first-page")
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func applyAll(b *testing.B, store *memstore.Store, stream string, fact func(int) events.Event) time.Duration {
	b.Helper()
	var took time.Duration
	at := eventlog.Position{Stream: stream}
	for i := 0; i < benchSessions; i += benchBatch {
		batch := activesessions.Batch{From: at, To: at}
		for j := i; j < i+benchBatch; j++ {
			e := fact(j)
			batch.Facts = append(batch.Facts, eventlog.Recorded{
				Envelope: events.Envelope{ID: fmt.Sprintf("01890b5e-%012d-9a6c-4f2d8c1e", j), Event: e},
				Stream:   stream, Sequence: uint64(j + 1), Time: e.Occurred().Time(),
			})
		}
		batch.To.Sequence += benchBatch
		start := time.Now()
		if _, err := store.Apply(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		took += time.Since(start)
		at = batch.To
	}
	return took
}

func benchKey(i int) events.Key {
	return events.Key{
		Tenant: "bakery", User: fmt.Sprintf("user-%06d", i*7919%benchUsers), Session: fmt.Sprintf("0f8fad5b-d9cb-469f-a165-%012d", i),
	}
}

func benchLogin(i int) events.Event {
	at := events.TimestampOf(benchStart.Add(time.Duration(i) * time.Millisecond))
	user := i * 7919 % benchUsers
	return events.LoggedIn{
		Key: benchKey(i), EventTimestamp: at, Created: at, Expires: at + 30*24*3600_000,
		Platform: "ios", AppVersion: "1.8.1", Build: "231",
		Personal: events.LoginPersonal{
			Username: fmt.Sprintf("cashier%d", user), DisplayName: fmt.Sprintf("Cashier Number %d", user),
			DeviceLabel: "Front counter", IP: fmt.Sprintf("192.0.%d.%d", i/250%250, i%250),
			UserAgent: fmt.Sprintf("Mozilla/5.0 (iPad; CPU OS 17_%d like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)", i%50),
		},
	}
}

func benchTouch(i int) events.Event {
	at := events.TimestampOf(benchStart.Add(10*time.Minute + time.Duration(i)*time.Millisecond))
	return events.Touched{
		Key: benchKey(i * 31 % benchSessions), EventTimestamp: at,
		Personal: events.DevicePersonal{IP: fmt.Sprintf("192.0.%d.%d", i/250%250, i%250)},
	}
}
