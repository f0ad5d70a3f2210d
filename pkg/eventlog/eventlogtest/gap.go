package eventlogtest

import (
	"errors"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// standing appends n facts and returns the position behind them.
func (s *suite) standing(n int) eventlog.Position {
	s.t.Helper()
	s.append(nil, s.facts("ann", n)...)
	f := s.follow(eventlog.FollowConfig{}, nil)
	f.until(s, uint64(n))
	f.cancel()
	_ = f.fails(s)
	return f.end()
}

func (s *suite) wantGap(after eventlog.Position) {
	s.t.Helper()
	f := s.follow(eventlog.FollowConfig{After: after}, nil)
	if err := f.fails(s); !errors.Is(err, eventlog.ErrGap) {
		s.t.Fatalf("follow after %+v ended with %v, want ErrGap", after, err)
	}
}

func testGapPastEnd(_ *testing.T, s *suite) {
	p := s.standing(3)
	p.Sequence, p.ID = 4, ""
	s.wantGap(p)
}

func testGapCreated(_ *testing.T, s *suite) {
	p := s.standing(3)
	p.Created = p.Created.Add(time.Nanosecond)
	s.wantGap(p)
}

func testGapID(_ *testing.T, s *suite) {
	p := s.standing(3)
	p.ID = "another"
	s.wantGap(p)
}

func testGapRecreatedBefore(_ *testing.T, s *suite) {
	p := s.standing(3)
	s.Recreate(events.StreamSessions)
	s.append(nil, s.facts("ann", 5)...)
	s.wantGap(p)
}

func testGapRecreatedMeanwhile(t *testing.T, s *suite) {
	s.append(nil, s.facts("ann", 3)...)
	f := s.follow(eventlog.FollowConfig{}, nil)
	f.until(s, 3)

	s.Recreate(events.StreamSessions)
	s.append(nil, s.facts("bob", 5)...)

	if err := f.fails(s); !errors.Is(err, eventlog.ErrGap) {
		t.Fatalf("follow of a log made anew ended with %v, want ErrGap", err)
	}
	if end := f.end(); end.Sequence != 3 {
		t.Fatalf("follower read on to %d in the new log", end.Sequence)
	}
}

func testGapTrimmed(_ *testing.T, s *suite) {
	p := s.standing(2)
	s.append(nil, s.facts("ann", 8)...)
	s.Trim(events.StreamSessions, 3)
	beginning := s.follow(eventlog.FollowConfig{After: p}, nil)
	beginning.until(s, 10)

	s.Trim(events.StreamSessions, 5)
	s.wantGap(p)
}
