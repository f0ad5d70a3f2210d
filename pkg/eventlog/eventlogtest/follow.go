package eventlogtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

func testFollowOrder(t *testing.T, s *suite) {
	const maxBatch = 64
	early, late := s.facts("ann", 300), s.facts("bob", 300)
	s.append(nil, early...)
	f := s.follow(eventlog.FollowConfig{MaxBatch: maxBatch}, nil)
	last := s.append(nil, late...)

	s.wantIDs(f.until(s, last), append(early, late...)...)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range f.batches {
		if n := len(b.Events); n == 0 || n > maxBatch || b.End.Sequence != b.Events[n-1].Sequence || b.End.ID != b.Events[n-1].ID {
			t.Fatalf("batch of %d facts ends at %+v", n, b.End)
		}
	}
	f.cancel()
	if err := f.fails(s); err != nil {
		t.Fatalf("follow ended with %v, want nil when its context ends", err)
	}
}

func testFollowAfter(_ *testing.T, s *suite) {
	facts := s.facts("ann", 20)
	s.append(nil, facts...)
	f := s.follow(eventlog.FollowConfig{MaxBatch: 7}, func(_ context.Context, b eventlog.Batch) error {
		if b.End.Sequence > 7 {
			return fmt.Errorf("enough: %w", eventlog.ErrHalt)
		}
		return nil
	})
	_ = f.fails(s)

	rest := s.follow(eventlog.FollowConfig{After: f.end()}, nil)
	s.wantIDs(rest.until(s, 20), facts[7:]...)
}

func testFollowRetry(t *testing.T, s *suite) {
	facts := s.facts("ann", 10)
	s.append(nil, facts...)
	var mu sync.Mutex
	var tries []eventlog.Position
	f := s.follow(eventlog.FollowConfig{MaxBatch: 5}, func(_ context.Context, b eventlog.Batch) error {
		mu.Lock()
		defer mu.Unlock()
		if tries = append(tries, b.End); len(tries) <= 2 {
			return errors.New("not yet")
		}
		return nil
	})
	s.wantIDs(f.until(s, 10), facts...)
	mu.Lock()
	defer mu.Unlock()
	if len(tries) != 4 || tries[0] != tries[1] || tries[1] != tries[2] {
		t.Fatalf("batches were tried at %v, want the first three times", tries)
	}
}

func testFollowPanic(_ *testing.T, s *suite) {
	facts := s.facts("ann", 3)
	s.append(nil, facts...)
	var once sync.Once
	f := s.follow(eventlog.FollowConfig{}, func(context.Context, eventlog.Batch) error {
		once.Do(func() { panic("first try") })
		return nil
	})
	s.wantIDs(f.until(s, 3), facts...)
}

func testFollowHalt(t *testing.T, s *suite) {
	s.append(nil, s.fact("ann"))
	cause := errors.New("fenced")
	f := s.follow(eventlog.FollowConfig{}, func(context.Context, eventlog.Batch) error {
		return fmt.Errorf("%w: %w", eventlog.ErrHalt, cause)
	})
	if err := f.fails(s); !errors.Is(err, eventlog.ErrHalt) || !errors.Is(err, cause) {
		t.Fatalf("follow ended with %v, want the handler's error", err)
	}
	halting := s.follow(eventlog.FollowConfig{Idle: func(context.Context, eventlog.Position) error { return eventlog.ErrHalt }}, nil)
	if err := halting.fails(s); !errors.Is(err, eventlog.ErrHalt) {
		t.Fatalf("follow ended with %v, want Idle's error", err)
	}
}

func testFollowIdle(t *testing.T, s *suite) {
	s.append(nil, s.facts("ann", 3)...)
	var f *follower
	ends := make(chan [2]eventlog.Position, 100)
	var ready sync.WaitGroup
	ready.Add(1)
	f = s.follow(eventlog.FollowConfig{Idle: func(_ context.Context, end eventlog.Position) error {
		ready.Wait()
		ends <- [2]eventlog.Position{end, f.end()}
		return errors.New("an error of Idle is no reason to stop")
	}}, nil)
	ready.Done()
	f.until(s, 3)
	wantEnd(t, s, ends, 3)
	wantEnd(t, s, ends, 3)

	f.until(s, s.append(nil, s.fact("bob")))
	wantEnd(t, s, ends, 4)
}

// wantEnd waits for Idle to be called with an end, and that everything up to it
// was handled before.
func wantEnd(t *testing.T, s *suite, ends <-chan [2]eventlog.Position, want uint64) {
	t.Helper()
	for {
		select {
		case got := <-ends:
			end, handled := got[0], got[1]
			if handled.Sequence < end.Sequence {
				t.Fatalf("told of the end at %d with %d handled", end.Sequence, handled.Sequence)
			}
			if end.Sequence == want {
				if end != handled {
					t.Fatalf("the end is %+v, the last batch ended at %+v", end, handled)
				}
				return
			}
		case <-s.ctx.Done():
			t.Fatalf("was not told of the end at %d", want)
		}
	}
}

// testFollowIdleBusy: whoever vouches for being up to date must be able to while
// the log is never at rest.
func testFollowIdleBusy(t *testing.T, s *suite) {
	told := make(chan uint64, 1)
	f := s.follow(eventlog.FollowConfig{Idle: func(_ context.Context, end eventlog.Position) error {
		select {
		case told <- end.Sequence:
		default:
		}
		return nil
	}}, nil)
	for heard := 0; heard < 2; {
		sequence := s.append(nil, s.fact("ann"))
		select {
		case end := <-told:
			if handled := f.until(s, end); uint64(len(handled)) < end || end > sequence {
				t.Fatalf("told of the end at %d with %d handled and %d appended", end, len(handled), sequence)
			}
			heard++
		default:
		}
	}
}

func testFollowTouches(t *testing.T, s *suite) {
	put := func(session string, n int) {
		if err := s.Log.Touch(s.ctx, []events.Envelope{touch(session, n)}); err != nil {
			t.Fatal(err)
		}
	}
	put("a", 1)
	put("b", 1)
	f := s.follow(eventlog.FollowConfig{Stream: events.StreamTouches}, nil)
	f.until(s, 2)
	position := f.end()
	put("b", 2)
	f.until(s, 3)
	put("a", 2) // now neither the position's message nor the first is there any more

	again := s.follow(eventlog.FollowConfig{Stream: events.StreamTouches, After: position}, nil)
	s.wantIDs(again.until(s, 4), touch("b", 2), touch("a", 2))
}

func testFollowUnknown(t *testing.T, s *suite) {
	f := s.follow(eventlog.FollowConfig{}, nil)
	strange, err := events.Encode(s.fact("ann"))
	if err != nil {
		t.Fatal(err)
	}
	strange.Header[events.HeaderType] = []string{"session.promoted.v9"}
	s.Inject(strange)
	s.append(nil, s.fact("ann"))

	got := f.until(s, 2)
	unknown, ok := got[0].Event.(events.Unknown)
	if !ok || unknown.Type != "session.promoted" || unknown.Version != 9 {
		t.Fatalf("an unknown type came out as %+v", got[0].Event)
	}
	if diff := cmp.Diff(strange, unknown.Message); diff != "" {
		t.Fatalf("it is not as it was (-stored +read):\n%s", diff)
	}
}

func testFollowQuarantine(t *testing.T, s *suite) {
	good := s.facts("ann", 3)
	subject := events.SessionSubject(tenant, "ann")
	s.append(nil, good[0])
	s.Inject(events.Message{Subject: subject, Data: []byte("no headers")})
	doubled, err := events.Encode(s.fact("ann"))
	if err != nil {
		t.Fatal(err)
	}
	doubled.Header[events.HeaderSource] = []string{"one", "two"}
	s.Inject(doubled)
	s.append(nil, good[1])
	s.Inject(events.Message{Subject: subject + ".deeper", Header: map[string][]string{"Odd": {"a\tb"}}})
	s.append(nil, good[2])

	for range 2 { // the second follower meets what the first has put away
		f := s.follow(eventlog.FollowConfig{MaxBatch: 4}, nil)
		s.wantIDs(f.until(s, 6), good...)
		f.cancel()
		_ = f.fails(s)
	}
	want := []string{"POS_SESSIONS-2", "POS_SESSIONS-3", "POS_SESSIONS-5"}
	if diff := cmp.Diff(want, s.Quarantined()); diff != "" {
		t.Fatalf("quarantine (-want +got):\n%s", diff)
	}
}

func testFollowAcrossRestart(_ *testing.T, s *suite) {
	first, second := s.facts("ann", 50), s.facts("ann", 50)
	f := s.follow(eventlog.FollowConfig{}, nil)
	f.until(s, s.append(nil, first...))

	s.Restart()

	last := s.append(nil, second...)
	s.wantIDs(f.until(s, last), append(first, second...)...)
}
