package eventlogtest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

func testUserPaging(_ *testing.T, s *suite) {
	const batch, batches = 500, 5
	all := make([]events.Envelope, 0, batch*batches)
	for range batches {
		facts := s.facts("ann", batch)
		s.append(nil, facts...)
		s.append(nil, s.fact("bob"))
		all = append(all, facts...)
	}
	s.wantIDs(s.user("ann", 0), all...)
}

func testUserAfter(t *testing.T, s *suite) {
	facts := s.facts("ann", 3)
	first := s.append(nil, facts[0])
	s.append(nil, s.fact("bob"))
	last := s.append(nil, facts[1:]...)

	s.wantIDs(s.user("ann", first), facts[1:]...)
	s.wantIDs(s.user("ann", last))
	s.wantIDs(s.user("ann", last+1000))
	s.wantIDs(s.user("nobody", 0))
	got := s.user("ann", first)[0]
	want := eventlog.Recorded{Envelope: facts[1], Stream: events.StreamSessions, Sequence: 3, Time: got.Time}
	if got.Time.IsZero() || !cmp.Equal(got, want) {
		t.Fatalf("fact came out as %+v", got)
	}
}

// testUserBroken: an expectation names the last message, also one that is not an
// event, or a stranger's message would keep a user from being signed out.
func testUserBroken(t *testing.T, s *suite) {
	s.append(nil, s.fact("ann"))
	s.Inject(events.Message{Subject: events.SessionSubject(tenant, "ann"), Data: []byte("{")})

	facts := s.user("ann", 0)
	if len(facts) != 2 {
		t.Fatalf("the user has %d messages, want 2", len(facts))
	}
	if unknown, ok := facts[1].Event.(events.Unknown); !ok || unknown.SessionKey().User != "ann" {
		t.Fatalf("a broken message came out as %+v", facts[1])
	}
	s.append(expecting(facts[1].Sequence), s.fact("ann"))
}

func testLastSequence(t *testing.T, s *suite) {
	last := s.append(nil, s.facts("ann", 3)...)
	s.append(nil, s.fact("bob"))
	for user, want := range map[string]uint64{"ann": last, "bob": last + 1, "nobody": 0} {
		if got, err := s.Log.LastSequence(s.ctx, tenant, user); err != nil || got != want {
			t.Errorf("last sequence of %s: %d, %v; want %d", user, got, err, want)
		}
	}
}

func testRead(t *testing.T, s *suite) {
	facts := s.facts("ann", 10)
	s.append(nil, facts...)
	state := s.state(events.StreamSessions)

	page := s.read(1, 4)
	s.wantIDs(page.Events, facts[:4]...)
	end := eventlog.Position{Stream: events.StreamSessions, Created: state.Created, Sequence: 4, ID: facts[3].ID}
	if page.Pending != 6 || page.End != end {
		t.Fatalf("first page ends at %+v with %d pending", page.End, page.Pending)
	}
	rest := s.read(page.End.Sequence+1, 100)
	s.wantIDs(rest.Events, facts[4:]...)
	beyond := s.read(rest.End.Sequence+1, 100)
	if len(beyond.Events) != 0 || beyond.Pending != 0 || beyond.End.Sequence != rest.End.Sequence {
		t.Fatalf("read past the end: %+v", beyond)
	}
	if _, err := s.Log.Read(s.ctx, "NO_SUCH_STREAM", 1, 1); !errors.Is(err, eventlog.ErrNotFound) {
		t.Fatalf("read of no stream: %v, want ErrNotFound", err)
	}
}

func (s *suite) read(from uint64, limit int) eventlog.Batch {
	s.t.Helper()
	batch, err := s.Log.Read(s.ctx, events.StreamSessions, from, limit)
	if err != nil {
		s.t.Fatalf("read from %d: %v", from, err)
	}
	return batch
}

func testState(t *testing.T, s *suite) {
	empty := s.state(events.StreamSessions)
	if empty.First != 1 || empty.Last != 0 || empty.Created.IsZero() {
		t.Fatalf("state of an empty log: %+v", empty)
	}
	s.append(nil, s.facts("ann", 3)...)
	full := s.state(events.StreamSessions)
	if full.First != 1 || full.Last != 3 || full.LastTime.IsZero() || !full.Created.Equal(empty.Created) {
		t.Fatalf("state of a log of three: %+v", full)
	}
	if _, err := s.Log.State(s.ctx, "NO_SUCH_STREAM"); !errors.Is(err, eventlog.ErrNotFound) {
		t.Fatalf("state of no stream: %v, want ErrNotFound", err)
	}
}

func testTouch(t *testing.T, s *suite) {
	const sessions, rounds = 50, 40
	if _, err := s.Log.LastTouch(s.ctx, key("ann", "s-0")); !errors.Is(err, eventlog.ErrNotFound) {
		t.Fatalf("last touch of no session: %v, want ErrNotFound", err)
	}
	touches := make([]events.Envelope, 0, sessions*rounds)
	for round := range rounds {
		for i := range sessions {
			touches = append(touches, touch(fmt.Sprintf("s-%d", i), round))
		}
	}
	if err := s.Log.Touch(s.ctx, touches); err != nil {
		t.Fatal(err)
	}
	for i := range sessions {
		want := touches[(rounds-1)*sessions+i]
		got, err := s.Log.LastTouch(s.ctx, want.Event.SessionKey())
		if err != nil || got.ID != want.ID || !cmp.Equal(got.Event, want.Event) {
			t.Fatalf("last touch of session %d: %+v, %v; want %+v", i, got, err, want)
		}
	}
	page, err := s.Log.Read(s.ctx, events.StreamTouches, 1, 2*sessions)
	if err != nil || len(page.Events) != sessions {
		t.Fatalf("the stream holds %d touches, %v; want one for each of %d sessions", len(page.Events), err, sessions)
	}
}
