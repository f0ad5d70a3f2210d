package eventlogtest

import (
	"context"
	"errors"
	"testing"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

func testExpectation(_ *testing.T, s *suite) {
	first, second := s.fact("ann"), s.fact("ann")
	s.conflicts(expecting(7), s.fact("ann"))

	last := s.append(expecting(0), first)
	s.conflicts(expecting(0), s.fact("ann"))
	s.conflicts(expecting(last+1), s.fact("ann"))
	s.append(expecting(last), second)
	s.conflicts(expecting(last), s.fact("ann"))

	s.wantIDs(s.user("ann", 0), first, second)
}

func testNoExpectation(_ *testing.T, s *suite) {
	facts := s.facts("ann", 4)
	s.append(nil, facts[0])
	s.append(nil, facts[1:3]...)
	s.append(nil, facts[3])
	s.wantIDs(s.user("ann", 0), facts...)
}

func testExpectationIsPerUser(_ *testing.T, s *suite) {
	last := s.append(expecting(0), s.fact("ann"))
	s.append(nil, s.fact("bob"))
	s.append(nil, s.fact("ann.b")) // a dot in an id must not make a subject that reaches further
	s.append(expecting(last), s.fact("ann"))
	s.append(expecting(0), s.fact("cid"))
}

func testAtomic(t *testing.T, s *suite) {
	last := s.append(nil, s.fact("ann"))
	batch := s.facts("ann", 3)

	s.conflicts(expecting(0), batch...)
	if got := s.user("ann", last); len(got) != 0 {
		t.Fatalf("a refused append stored %d facts", len(got))
	}
	end := s.append(expecting(last), batch...)

	got := s.user("ann", last)
	s.wantIDs(got, batch...)
	if got[2].Sequence != end {
		t.Fatalf("append returned sequence %d, its last fact has %d", end, got[2].Sequence)
	}
}

func testLargeAppend(_ *testing.T, s *suite) {
	batch := s.facts("ann", events.MaxActiveSessions)
	last := s.append(expecting(0), batch...)
	s.wantIDs(s.user("ann", 0), batch...)
	s.append(expecting(last), s.facts("ann", events.MaxActiveSessions)...)
}

func testRepeatedAppend(t *testing.T, s *suite) {
	for _, facts := range [][]events.Envelope{s.facts("ann", 1), s.facts("ann", 3)} {
		last, err := s.Log.LastSequence(s.ctx, tenant, "ann")
		if err != nil {
			t.Fatal(err)
		}
		for _, expect := range []*eventlog.Expectation{expecting(last), nil} {
			first := s.append(expect, facts...)
			if again := s.append(expect, facts...); again != first {
				t.Fatalf("append of %d facts repeated: sequence %d, first it was %d", len(facts), again, first)
			}
		}
	}
	if got := s.user("ann", 0); len(got) != 4 {
		t.Fatalf("the user has %d facts, want 4", len(got))
	}
}

func testRepeatedAppendLater(t *testing.T, s *suite) {
	single, batch := s.fact("ann"), s.facts("bob", 3)
	sequences := []uint64{s.append(expecting(0), single), s.append(expecting(0), batch...)}
	s.append(nil, s.fact("ann"))
	s.append(nil, s.facts("bob", 2)...)

	for _, expect := range []*eventlog.Expectation{expecting(0), nil} {
		if got := []uint64{s.append(expect, single), s.append(expect, batch...)}; got[0] != sequences[0] || got[1] != sequences[1] {
			t.Fatalf("appends repeated expecting %v: sequences %v, first they were %v", expect, got, sequences)
		}
	}
	if got := len(s.user("ann", 0)) + len(s.user("bob", 0)); got != 7 {
		t.Fatalf("there are %d facts, want 7", got)
	}
}

// testStrictExpectation is for callers that decide again: what is stored under the ids of
// their facts may be another decision than theirs.
func testStrictExpectation(_ *testing.T, s *suite) {
	strictly := &eventlog.Expectation{Strict: true}
	single, batch := s.fact("ann"), s.facts("bob", 3)
	s.append(strictly, single)
	s.append(strictly, batch...)

	s.conflicts(strictly, single)
	s.conflicts(strictly, batch...)
	s.conflicts(strictly, batch[0])
	s.wantIDs(s.user("ann", 0), single)
	s.wantIDs(s.user("bob", 0), batch...)
}

func testInvalidAppend(t *testing.T, s *suite) {
	for name, facts := range map[string][]events.Envelope{
		"nothing":       nil,
		"two users":     {s.fact("ann"), s.fact("bob")},
		"a touch":       {touch("s", 1)},
		"a user's none": {envelope("id", events.LoggedIn{Key: key("", "s")})},
	} {
		_, err := s.Log.Append(s.ctx, facts, nil)
		if err == nil || errors.Is(err, eventlog.ErrConflict) || errors.Is(err, eventlog.ErrUnavailable) {
			t.Errorf("append of %s: %v, want a plain refusal", name, err)
		}
	}
	if err := s.Log.Touch(s.ctx, s.facts("ann", 1)); err == nil || errors.Is(err, eventlog.ErrUnavailable) {
		t.Errorf("touch with a login: %v, want a plain refusal", err)
	}
}

func testUnavailable(t *testing.T, s *suite) {
	ended, cancel := context.WithCancel(s.ctx)
	cancel()
	if _, err := s.Log.Append(ended, s.facts("ann", 1), nil); !errors.Is(err, eventlog.ErrUnavailable) {
		t.Errorf("append with an ended context: %v, want ErrUnavailable", err)
	}
	if err := s.Log.Touch(ended, []events.Envelope{touch("s", 1)}); !errors.Is(err, eventlog.ErrUnavailable) {
		t.Errorf("touch with an ended context: %v, want ErrUnavailable", err)
	}
}
