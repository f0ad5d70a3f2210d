package recorder

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/posse-pos/posse/pkg/commands"
)

// hall is places with those who have one, and those who wait for one.
type hall struct {
	*places

	in     []guest
	queued []guest
}

type guest struct {
	rank   rank
	tenant string
	turn   *waiting // nil if there was a place at once
}

func (h *hall) enter(r rank, tenant string) error {
	turn, err := h.places.enter(r, tenant)
	switch {
	case err != nil:
		return err
	case turn == nil:
		h.in = append(h.in, guest{r, tenant, nil})
	default:
		w, _ := turn.Value.(*waiting)
		h.queued = append(h.queued, guest{r, tenant, w})
	}
	return nil
}

// leave has one leave, and returns the ranks of those who were let in then.
func (h *hall) leave(i int) (ranks []rank) {
	g := h.in[i]
	h.in = slices.Delete(h.in, i, i+1)
	h.places.leave(g.rank, g.tenant, 0)
	h.queued = slices.DeleteFunc(h.queued, func(q guest) bool {
		select {
		case <-q.turn.admitted:
			h.in, ranks = append(h.in, q), append(ranks, q.rank)
			return true
		default:
			return false
		}
	})
	return ranks
}

// above is how many of a higher rank wait.
func (h *hall) above(r rank) (n int) {
	for _, q := range h.queued {
		if q.rank > r {
			n++
		}
	}
	return n
}

// TestEndingsGoFirst plays arbitrary crowds.
func TestEndingsGoFirst(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(ranks, 40).Draw(t, "places")
		h := &hall{places: newPlaces(most, time.Hour, time.Hour)}
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			if len(h.in) > 0 && rapid.IntRange(0, 3).Draw(t, "leaves") == 0 {
				for _, r := range h.leave(rapid.IntRange(0, len(h.in)-1).Draw(t, "who")) {
					if n := h.above(r); n > 0 || len(h.in) > h.limit[r] {
						t.Fatalf("one of rank %d was let in while %d of a higher rank wait, into place %d of %d", r, n, len(h.in), h.limit[r])
					}
				}
			} else {
				h.comes(t, rank(rapid.IntRange(0, ranks-1).Draw(t, "rank")), rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "tenant"))
			}
			taken, waiting := h.count()
			if taken != len(h.in) || waiting != len(h.queued) || taken > most || taken+waiting > h.inAll() {
				t.Fatalf("%d are in and %d wait, but there should be %d and %d", taken, waiting, len(h.in), len(h.queued))
			}
		}
		for len(h.in) > 0 {
			h.leave(0)
		}
		if taken, waiting := h.count(); taken != 0 || waiting != 0 || len(h.tenants) != 0 {
			t.Fatalf("at the end %d are in, %d wait, and tenants are %v", taken, waiting, h.tenants)
		}
	})
}

// comes has one come, and holds the places to what they promise.
func (h *hall) comes(t *rapid.T, r rank, tenant string) {
	before := len(h.in)
	err := h.enter(r, tenant)
	e := commands.AsError(err)
	switch most := h.limit[endings]; {
	case err == nil && len(h.in) > before && (h.above(r) > 0 || len(h.in) > h.limit[r]):
		t.Fatalf("one of rank %d was let in while %d of a higher rank wait, into place %d of %d", r, h.above(r), len(h.in), h.limit[r])
	case err == nil:
	case e.RetryAfter < 1 || e.RetryAfter > 30:
		t.Fatalf("Retry-After is %d", e.RetryAfter)
	case r == endings && (len(h.in) < most || h.above(renewals) < h.room):
		t.Fatalf("an ending is refused with %d of %d places taken", len(h.in), most)
	case e.Reason == commands.ReasonBusy && len(h.in) < h.limit[r]:
		t.Fatalf("one of rank %d is refused with %d of %d places taken", r, len(h.in), most)
	}
}

// TestATenantLeavesRoomForOthers fills the places with one tenant.
func TestATenantLeavesRoomForOthers(t *testing.T) {
	t.Parallel()
	h := &hall{places: newPlaces(16, time.Hour, time.Hour)}
	var err error
	for err == nil {
		err = h.enter(arrivals, "greedy")
	}
	if !errors.Is(err, commands.ErrTooMany) {
		t.Fatalf("the refusal is %v", err)
	}
	for r, want := range map[rank]bool{arrivals: true, renewals: true, endings: true} {
		if err := h.enter(r, "modest"); (err == nil) != want {
			t.Errorf("rank %d of another tenant: %v", r, err)
		}
	}
	if err := h.enter(renewals, "greedy"); !errors.Is(err, commands.ErrTooMany) {
		t.Errorf("a refresh of the same: %v", err)
	}
	if err := h.enter(endings, "greedy"); err != nil {
		t.Errorf("an ending of the same: %v", err)
	}
}

// TestWhoGivesUpLeavesNothing has one wait whose caller goes away.
func TestWhoGivesUpLeavesNothing(t *testing.T) {
	t.Parallel()
	p := newPlaces(3, time.Hour, time.Hour)
	leave, err := p.take(t.Context(), arrivals, "shop")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.take(ctx, arrivals, "shop"); !errors.Is(err, commands.ErrBusy) {
		t.Errorf("the refusal is %v", err)
	}
	leave()
	if taken, waiting := p.count(); taken != 0 || waiting != 0 || len(p.tenants) != 0 {
		t.Errorf("%d are in, %d wait, tenants are %v", taken, waiting, p.tenants)
	}
}

// TestRetryAfterFollowsTheLog asks to come back later the slower things go.
func TestRetryAfterFollowsTheLog(t *testing.T) {
	t.Parallel()
	for held, want := range map[time.Duration][2]int{
		0: {1, 2}, time.Second: {3, 6}, 4 * time.Second: {11, 22}, time.Minute: {15, 30},
	} {
		h := &hall{places: newPlaces(8, time.Hour, time.Hour)}
		h.held = held
		var err error
		for tenant := 'a'; err == nil; tenant++ {
			err = h.enter(arrivals, string(tenant))
		}
		if got := commands.AsError(err).RetryAfter; got < want[0] || got > want[1] {
			t.Errorf("with %v a command, Retry-After is %d, want %d to %d", held, got, want[0], want[1])
		}
	}
}
