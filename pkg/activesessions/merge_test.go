package activesessions_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/activesessions/activesessionstest"
	"github.com/posse-pos/posse/pkg/device"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// addition is a fact, what the parser made of its device, and the row it makes.
type addition struct {
	fact eventlog.Recorded
	dev  device.Device
}

func (a addition) to(row activesessions.Session) activesessions.Session {
	return activesessions.Merge(row, a.fact, a.dev)
}

// additions are facts of one history about sessions, brought to one session so that
// they meet.
func additions(rt *rapid.T) []addition {
	var all []addition
	for _, fact := range activesessionstest.History().Draw(rt, "history") {
		if _, ok := fact.Event.(events.Forgotten); ok {
			continue
		}
		fact.Event = ofOneSession(fact.Event)
		dev := device.Device{Browser: rapid.SampledFrom([]string{"", "a", "b"}).Draw(rt, "browser")}
		all = append(all, addition{fact, dev})
	}
	return all
}

func ofOneSession(e events.Event) events.Event {
	key := events.Key{Tenant: "t", User: "u", Session: "s"}
	switch e := e.(type) {
	case events.LoggedIn:
		e.Key = key
		return e
	case events.Refreshed:
		e.Key = key
		return e
	case events.Touched:
		e.Key = key
		return e
	case events.Revoked:
		e.Key = key
		return e
	default:
		return e
	}
}

func rowOf(facts []addition) activesessions.Session {
	var row activesessions.Session
	for _, a := range facts {
		row = a.to(row)
	}
	return row
}

func TestMergeIsCommutativeAndIdempotent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		facts := additions(rt)
		again := facts
		if len(facts) > 0 {
			again = append(rapid.SliceOf(rapid.SampledFrom(facts)).Draw(rt, "again"), facts...)
		}
		if diff := cmp.Diff(rowOf(facts), rowOf(rapid.Permutation(again).Draw(rt, "order"))); diff != "" {
			rt.Fatalf("another order makes another row (-one +another):\n%s", diff)
		}
	})
}

func TestJoinIsASemilattice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		facts := additions(rt)
		cut1 := rapid.IntRange(0, len(facts)).Draw(rt, "cut")
		cut2 := rapid.IntRange(cut1, len(facts)).Draw(rt, "second cut")
		a, b, c := rowOf(facts[:cut1]), rowOf(facts[cut1:cut2]), rowOf(facts[cut2:])
		join := activesessions.Join
		for law, rows := range map[string][2]activesessions.Session{
			"commutative":       {join(a, b), join(b, a)},
			"associative":       {join(join(a, b), c), join(a, join(b, c))},
			"idempotent":        {join(a, a), a},
			"of its parts":      {join(join(a, b), c), rowOf(facts)},
			"neutral with none": {join(a, activesessions.Session{}), a},
		} {
			if diff := cmp.Diff(rows[0], rows[1]); diff != "" {
				rt.Fatalf("Join is not %s:\n%s", law, diff)
			}
		}
	})
}

// Rows may be forgotten early or late, and the greatest sequence decides.
func TestForgetGoesWithJoin(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		facts := additions(rt)
		cut := rapid.IntRange(0, len(facts)).Draw(rt, "cut")
		a, b := rowOf(facts[:cut]), rowOf(facts[cut:])
		first, second := rapid.Uint64Range(0, 20).Draw(rt, "sequence"), rapid.Uint64Range(0, 20).Draw(rt, "another")
		want := activesessions.Join(a, b)
		want.Forget(max(first, second))
		a.Forget(first)
		b.Forget(second)
		got := activesessions.Join(b, a)
		got.Forget(second)
		got.Forget(first)
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatalf("forgotten in parts (-at the end +in parts):\n%s", diff)
		}
		forgotten := eventlog.Recorded{Sequence: max(first, second), Envelope: events.Envelope{Event: events.Forgotten{Tenant: "t", User: "u"}}}
		if diff := cmp.Diff(want, activesessions.Merge(activesessions.Join(a, b), forgotten, device.Device{})); diff != "" {
			rt.Fatalf("merging that the user is forgotten (-Forget +Merge):\n%s", diff)
		}
	})
}

func TestMergeLeavesRowsOfOthers(t *testing.T) {
	t.Parallel()
	key := events.Key{Tenant: "t", User: "u", Session: "s"}
	other := events.Key{Tenant: "t", User: "u", Session: "other"}
	row := activesessions.Session{Key: key, Generation: 3, First: 1, IP: "192.0.2.1"}
	for _, e := range []events.Event{
		events.Refreshed{Key: other, Generation: 9},
		events.Unknown{Key: key, Type: "session.renamed", Version: 1},
		events.Forgotten{Tenant: "t", User: "v"},
		events.Forgotten{Tenant: "another", User: "u"},
	} {
		got := activesessions.Merge(row, eventlog.Recorded{Sequence: 9, Envelope: events.Envelope{Event: e}}, device.Device{})
		if diff := cmp.Diff(row, got); diff != "" {
			t.Errorf("%T changed the row (-want +got):\n%s", e, diff)
		}
	}
}

func TestFold(t *testing.T) {
	t.Parallel()
	for _, same := range [][2]string{
		{"Müller", "MÜLLER"}, {"Σίσυφος", "ΣΊΣΥΦΟΣ"}, {"K", "\u212a"}, {"a\x01b\nc", "ABC"}, {"한국", "한국"},
	} {
		if a, b := activesessions.Fold(same[0]), activesessions.Fold(same[1]); a != b {
			t.Errorf("%q and %q are folded to %q and %q", same[0], same[1], a, b)
		}
	}
}
