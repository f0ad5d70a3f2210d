package denyset_test

import (
	"fmt"
	"maps"
	"strconv"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/posse-pos/posse/pkg/gateway/internal/denyset"
)

type id struct{ tenant, session string }

// TestSetIsAMap holds the set to a plain map over any sequence of additions and
// sweeps.
func TestSetIsAMap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		set, model := denyset.New(), map[id]int64{}
		ids := rapid.Custom(func(t *rapid.T) id {
			return id{
				tenant:  rapid.SampledFrom([]string{"a", "b", "ab"}).Draw(t, "tenant"),
				session: strconv.Itoa(rapid.IntRange(0, 3000).Draw(t, "session")),
			}
		})
		t.Repeat(map[string]func(*rapid.T){
			"add many": func(t *rapid.T) {
				expires := rapid.Int64Range(0, 100).Draw(t, "expires")
				for _, id := range rapid.SliceOfN(ids, 1, 200).Draw(t, "ids") {
					_, known := model[id]
					if added := set.Add(id.tenant, id.session, expires); added == known {
						t.Fatalf("Add(%v) = %v, known before: %v", id, added, known)
					}
					model[id] = max(model[id], expires)
				}
			},
			"sweep": func(t *rapid.T) {
				before := rapid.Int64Range(0, 120).Draw(t, "before")
				had := len(model)
				maps.DeleteFunc(model, func(_ id, expires int64) bool { return expires < before })
				if dropped := set.Sweep(256, before); dropped != had-len(model) {
					t.Fatalf("Sweep dropped %d, want %d", dropped, had-len(model))
				}
			},
			"": func(t *rapid.T) {
				if set.Len() != len(model) {
					t.Fatalf("Len = %d, want %d", set.Len(), len(model))
				}
				probe := ids.Draw(t, "probe")
				if _, want := model[probe]; set.Contains(probe.tenant, probe.session) != want {
					t.Fatalf("Contains(%v) = %v", probe, !want)
				}
				found := map[id]int64{}
				for e := range set.All() {
					found[id{e.Tenant(), e.Session}] = e.Expires
				}
				if !maps.Equal(found, model) {
					t.Fatalf("All = %v, want %v", found, model)
				}
			},
		})
	})
}

// TestReadersNeverMissAnEntry reads what was added while the writer makes tables
// grow and shrink.
func TestReadersNeverMissAnEntry(t *testing.T) {
	t.Parallel()
	set := denyset.New()
	for i := range 1000 {
		set.Add("shop", fmt.Sprint("kept-", i), 1000)
	}
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				if kept := fmt.Sprint("kept-", i%1000); !set.Contains("shop", kept) {
					t.Errorf("%s was missed", kept)
					return
				}
				if set.Contains("other", "kept-0") {
					t.Error("a session of another tenant was found")
					return
				}
			}
		})
	}
	for round := range 20 {
		for i := range 2000 {
			set.Add("shop", fmt.Sprint("passing-", i), int64(round))
		}
		if dropped := set.Sweep(256, int64(round)+1); dropped != 2000 {
			t.Errorf("round %d: Sweep dropped %d, want 2000", round, dropped)
		}
	}
	close(done)
	readers.Wait()
	if set.Len() != 1000 {
		t.Errorf("Len = %d, want 1000", set.Len())
	}
}
