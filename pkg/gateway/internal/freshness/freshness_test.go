package freshness_test

import (
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/posse-pos/posse/pkg/gateway/internal/freshness"
)

// line is a relay whose clock differs from ours, seen through a network.
type line struct {
	estimator freshness.Estimator
	offset    time.Duration // what its clock shows when ours shows 0
	late      time.Duration // how long after they were true it writes ticks
	newest    time.Duration // the latest moment at which a tick is known true
	wants     bool
}

// tick delivers what was true at a moment of ours, so much later.
func (l *line) tick(at, delay time.Duration) (age time.Duration, ok bool) {
	return l.tickWithin(at, delay, delay)
}

func (l *line) tickWithin(at, delay, within time.Duration) (age time.Duration, ok bool) {
	trueAt, ok, wants := l.estimator.Observe(freshness.Tick{
		Relay: "relay-1", AsOf: at + l.offset - l.late, Written: at + l.offset, Arrived: at + delay, Within: within,
	})
	l.wants = wants
	if !ok {
		return 0, false
	}
	l.newest = max(l.newest, trueAt)
	return at + delay - l.newest, true
}

func TestOffsetCancelsAndDelayDoesNot(t *testing.T) {
	t.Parallel()
	for _, offset := range []time.Duration{0, 10 * time.Hour, -10 * time.Hour, 1700000000 * time.Second} {
		l := line{offset: offset}
		for second := range 60 {
			at := time.Duration(second) * time.Second
			if age, ok := l.tick(at, 3*time.Millisecond); !ok || age > 20*time.Millisecond {
				t.Fatalf("offset %v: tick after %v: age %v, ok %v", offset, at, age, ok)
			}
		}
		// The line freezes for a minute and then delivers everything at once.
		for second := 60; second < 110; second++ {
			at := time.Duration(second) * time.Second
			age, _ := l.tickWithin(at, 120*time.Second-at, freshness.Unproven)
			if want := 120*time.Second - at; age < want-50*time.Millisecond || !l.wants {
				t.Fatalf("offset %v: tick of %v flushed at 2m: age %v, want %v; wants proof: %v", offset, at, age, want, l.wants)
			}
		}
	}
}

// TestLatenessIsAge is a relay that lags: what it writes is written at once and was
// true some time ago.
func TestLatenessIsAge(t *testing.T) {
	t.Parallel()
	l := line{late: 3 * time.Second}
	for second := 10; second < 60; second++ {
		at := time.Duration(second) * time.Second
		age, ok := l.tick(at, 3*time.Millisecond)
		if want := l.late + 20*time.Millisecond; !ok || age < l.late || age > want {
			t.Fatalf("tick after %v, written %v late: age %v, ok %v", at, l.late, age, ok)
		}
	}
}

func TestFirstTickNeedsAProof(t *testing.T) {
	t.Parallel()
	var l line
	for _, within := range []time.Duration{freshness.Unproven, time.Hour} {
		if _, ok := l.tickWithin(0, 0, within); ok || !l.wants {
			t.Errorf("a first tick written within %v counts", within)
		}
	}
	if age, ok := l.tickWithin(time.Second, 0, 100*time.Millisecond); !ok || age != 0 {
		t.Errorf("a first tick with proof: age %v, ok %v", age, ok)
	}
}

func TestDriftIsFollowed(t *testing.T) {
	t.Parallel()
	var l line
	for second := range 3 * 24 * 3600 {
		at := time.Duration(second) * time.Second
		l.offset = -time.Duration(second) * 100 * time.Microsecond // the relay's clock is slow by 100 millionths
		if age, _ := l.tick(at, time.Millisecond); age > 10*time.Millisecond {
			t.Fatalf("after %v: age %v", at, age)
		}
	}
}

func TestRelaysClockIsSet(t *testing.T) {
	t.Parallel()
	for _, step := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(step.String(), func(t *testing.T) {
			t.Parallel()
			var l line
			l.tick(0, 0)
			l.offset = step
			for second := 1; second <= 5; second++ {
				l.tick(time.Duration(second)*time.Second, 5*time.Millisecond)
			}
			if age, _ := l.tick(6*time.Second, 5*time.Millisecond); age > 20*time.Millisecond {
				t.Errorf("six seconds after a step of %v: age %v", step, age)
			}
		})
	}
}

// TestFlushOfOldTicksWithProof is the relay's own line that froze: its ticks
// were written just now and are old all the same.
func TestFlushOfOldTicksWithProof(t *testing.T) {
	t.Parallel()
	var l line
	l.tick(0, 0)
	for second := range 60 {
		at := time.Duration(second) * time.Second
		if age, _ := l.tickWithin(at, time.Minute-at, time.Second); age < time.Minute-at-50*time.Millisecond {
			t.Fatalf("tick of %v at 1m: age %v", at, age)
		}
	}
}

// TestAgeIsNeverUnderstated holds for any delays: what an age says too little is
// at most the delay of the first tick, and what was forgotten.
func TestAgeIsNeverUnderstated(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := line{offset: time.Duration(rapid.Int64Range(-1e15, 1e15).Draw(t, "offset"))}
		first := time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "first delay"))
		l.tick(0, first)
		arrived, truth := first, time.Duration(0)
		for range rapid.IntRange(0, 50).Draw(t, "ticks") {
			at := arrived + time.Duration(rapid.Int64Range(-3600e9, 3e9).Draw(t, "pause"))
			at = max(at, truth)
			arrived = max(arrived, at) + time.Duration(rapid.Int64Range(0, 3600e9).Draw(t, "delay"))
			age, _ := l.tickWithin(at, arrived-at, freshness.Unproven)
			truth = at
			forgotten := time.Duration(arrived.Seconds() * 200e3)
			if actual := arrived - truth; age < actual-first-forgotten-time.Microsecond {
				t.Fatalf("tick of %v at %v: age %v, really %v", at, arrived, age, actual)
			}
		}
	})
}

func TestRelaysAreForgotten(t *testing.T) {
	t.Parallel()
	var e freshness.Estimator
	for i := range 1000 {
		at := time.Duration(i) * time.Second
		if _, ok, _ := e.Observe(freshness.Tick{Relay: strconv.Itoa(i), AsOf: at, Written: at, Arrived: at, Within: 0}); !ok {
			t.Fatalf("relay %d is not heard", i)
		}
	}
}
