package gateway

import (
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
)

func TestClockGoesByTheMajority(t *testing.T) {
	t.Parallel()
	truth := time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
	const off = 5 * time.Minute
	for name, c := range map[string]struct {
		ours, relay, nats time.Duration // how wrong each clock is
		want              time.Duration
	}{
		"all are right":       {},
		"ours is fast":        {ours: off},
		"ours is slow":        {ours: -off},
		"the relay is fast":   {relay: off},
		"the relay is slow":   {relay: -off},
		"NATS is fast":        {nats: off},
		"NATS is slow":        {nats: -off},
		"all are a bit apart": {ours: -time.Second, relay: time.Second, nats: 3 * time.Second, want: -time.Second},
		"only ours is right":  {relay: off, nats: off, want: off},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := truth.Add(c.ours)
			clock := newClock(func() time.Time { return now })
			const later = 20 * time.Second
			now = now.Add(later)
			heard := truth.Add(later)
			clock.hear(events.TimestampOf(heard.Add(c.relay)), heard.Add(c.nats), later)
			now = now.Add(time.Hour)
			if got := clock.now().Sub(heard.Add(time.Hour)); got != c.want {
				t.Errorf("it is wrong by %v, want %v", got, c.want)
			}
		})
	}
}

func TestClockNeedsAMajority(t *testing.T) {
	t.Parallel()
	now := time.Now()
	clock := newClock(func() time.Time { return now })
	if got := clock.now(); !got.Equal(now) {
		t.Errorf("before it heard of others it says %v at %v", got, now)
	}
	clock.hear(events.TimestampOf(now.Add(time.Hour)), time.Time{}, 0)
	if got := clock.now(); !got.Equal(now) {
		t.Errorf("of a relay alone it learned that it is %v at %v", got, now)
	}
}
