package denyset_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/posse-pos/posse/pkg/gateway/internal/denyset"
)

const million = 1_000_000

// alternative is what a set can be made of.
type alternative struct {
	add      func(tenant, session string)
	contains func(tenant, session string) bool
}

func alternatives() map[string]func() alternative {
	return map[string]func() alternative{
		"denyset": func() alternative {
			set := denyset.New()
			return alternative{
				add:      func(tenant, session string) { set.Add(tenant, session, 1) },
				contains: set.Contains,
			}
		},
		"sync.Map": func() alternative {
			var m sync.Map
			return alternative{
				add:      func(tenant, session string) { m.Store(id{tenant, session}, int64(1)) },
				contains: func(tenant, session string) bool { _, ok := m.Load(id{tenant, session}); return ok },
			}
		},
	}
}

func sessionID(i int) string { return fmt.Sprintf("0195f1c2-7d1e-7c3a-9f52-%012x", i) }

// BenchmarkContains looks up sessions in a set of a million while a writer adds
// 10,000 a second, and prints what an entry costs in memory. Nine lookups of ten
// are of sessions that are not revoked.
func BenchmarkContains(b *testing.B) {
	probes := make([]string, 1<<12)
	for i := range probes {
		probes[i] = sessionID(2*million + i)
		if i%10 == 0 {
			probes[i] = sessionID(i * 200)
		}
	}
	for name, construct := range alternatives() {
		b.Run(name, func(b *testing.B) {
			before := heap()
			set := construct()
			for i := range million {
				set.add("shop", sessionID(i))
			}
			perEntry := float64(heap()-before) / million
			stop := writeSteadily(set)
			defer stop()
			b.ResetTimer()
			i := 0
			for b.Loop() {
				set.contains("shop", probes[i&(1<<12-1)])
				i++
			}
			b.ReportMetric(perEntry, "B/entry")
		})
	}
}

func writeSteadily(set alternative) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(time.Millisecond)
		defer ticker.Stop()
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			case <-ticker.C:
				for j := range 10 {
					set.add("shop", sessionID(4*million+10*i+j))
				}
			}
		}
	}()
	return func() { close(done); <-ended }
}

func heap() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
