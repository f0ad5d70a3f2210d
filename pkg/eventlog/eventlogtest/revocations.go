package eventlogtest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

func testRevocations(t *testing.T, s *suite) {
	revocation := func(tenant string, sequence uint64, expires time.Time) events.Revocation {
		return events.Revocation{
			Tenant: tenant, Session: "s", Sequence: sequence, Expires: events.TimestampOf(expires), Cause: events.CauseTerminate,
		}
	}
	soon := time.Now().Add(time.Hour)
	all := []events.Revocation{
		revocation("shop", 1, soon),
		revocation("shop", 2, time.Now().Add(-time.Hour)),
		revocation("other.shop", 1, soon),
		revocation("shop", 3, soon),
	}
	for range 2 { // two relays
		if err := s.Log.PublishRevocations(s.ctx, "e", all); err != nil {
			t.Fatal(err)
		}
	}
	if state := s.state(events.StreamRevocations); state.Last != 3 {
		t.Fatalf("the stream goes to %d, want 3", state.Last)
	}
	if err := s.Log.PublishRevocations(s.ctx, "another", all); err != nil {
		t.Fatal(err)
	}
	if state := s.state(events.StreamRevocations); state.Last != 6 {
		t.Fatalf("after another epoch the stream goes to %d, want 6", state.Last)
	}
}

func testTick(t *testing.T, s *suite) {
	if _, _, err := s.Log.LastTick(s.ctx); !errors.Is(err, eventlog.ErrNotFound) {
		t.Fatalf("last tick of none: %v, want ErrNotFound", err)
	}
	now := events.TimestampOf(time.Now())
	last := uint64(0)
	for sequence := range uint64(3) {
		want := events.Tick{Sequence: sequence, AsOf: now, Written: now, StreamCreated: now, Relay: "r", Epoch: "e"}
		if _, err := s.Log.PublishTick(s.ctx, want, last+1); !errors.Is(err, eventlog.ErrConflict) {
			t.Fatalf("in place of a tick that is not the last: %v, want ErrConflict", err)
		}
		at, err := s.Log.PublishTick(s.ctx, want, last)
		if err != nil {
			t.Fatal(err)
		}
		if got, place, err := s.Log.LastTick(s.ctx); err != nil || !cmp.Equal(got, want) || place != at {
			t.Fatalf("last tick is %+v at %d, %v; want %+v at %d", got, place, err, want, at)
		}
		last = at
	}
	if state := s.state(events.StreamRevocations); state.First != state.Last {
		t.Fatalf("the stream keeps ticks %d to %d, want the last only", state.First, state.Last)
	}
}
