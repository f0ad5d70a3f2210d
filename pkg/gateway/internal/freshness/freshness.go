// Package freshness tells how old the newest word of the relay is, although the
// clocks of relay and gateway differ and the line between them may stall.
//
// A tick says by the relay's clock when it was true and when it was written. The
// difference between our clock at its arrival and the latter is the clocks' offset
// plus the delay on the way. The offset stays, the delay varies and is never
// negative: so the smallest difference seen is taken for the offset, and what a tick
// has above it is delay. Ticks that a frozen line delivers late are therefore old
// when they arrive.
//
// The offset is forgotten slowly, so that clocks may drift, and at once when the
// relay's clock was set back: that is when the difference stays high for a while
// although the feed has proof that the ticks are not delayed. A tick from a relay
// that was not heard before counts only with such a proof.
package freshness

import "time"

const (
	// proof is how delayed a tick may be at most to count as not delayed.
	proof = 2 * time.Second
	// suspicion is the delay from which on a tick wants a proof.
	suspicion = time.Second
	// settling is how long the difference stays high before it is the offset.
	settling = 3 * time.Second
	// drift is how fast the offset is forgotten, a second: quartz drifts by less
	// than 100 millionths.
	drift     = 200 * time.Microsecond
	maxRelays = 64
)

// Unproven is the Within of a tick that may have been written at any time.
const Unproven time.Duration = -1

// Tick is one tick as it arrived.
type Tick struct {
	// Relay tells the clocks apart that ticks are stamped with.
	Relay string
	// AsOf is when the tick was true, and Written when it was written, by the relay's
	// clock.
	AsOf, Written time.Duration
	// Arrived is our own clock, counting from anywhere.
	Arrived time.Duration
	// Within says that the tick was written at most so long before it arrived;
	// Unproven if that is not known.
	Within time.Duration
}

// Estimator learns the offsets of relays' clocks. The zero value is ready; it is
// for one goroutine.
type Estimator struct {
	relays map[string]*clock
}

type clock struct {
	offset    time.Duration
	heard     time.Duration
	suspected bool
	since     time.Duration // of the suspicion
	lowest    time.Duration // difference since then
}

// Observe returns the moment, by our clock, at which the tick was true. It is not
// ok if that cannot be told; wantsProof then, and when the tick looks delayed,
// asks that the next ticks come with a proof.
func (e *Estimator) Observe(t Tick) (trueAt time.Duration, ok, wantsProof bool) {
	difference := t.Arrived - t.Written
	proven := t.Within != Unproven && t.Within <= proof
	c := e.relays[t.Relay]
	if c == nil {
		if !proven {
			return 0, false, true
		}
		e.add(t.Relay, &clock{offset: difference, heard: t.Arrived})
		return t.AsOf + difference, true, false
	}
	c.offset += time.Duration((t.Arrived - c.heard).Seconds() * float64(drift))
	c.heard = t.Arrived
	wantsProof = c.learn(difference, t.Arrived, proven)
	return t.AsOf + c.offset, true, wantsProof
}

// learn reports whether the tick looks delayed.
func (c *clock) learn(difference, now time.Duration, proven bool) bool {
	switch {
	case difference <= c.offset:
		c.offset, c.suspected = difference, false
		return false
	case difference-c.offset < suspicion:
		c.suspected = false
		return false
	case !proven:
		return true
	case !c.suspected:
		c.suspected, c.since, c.lowest = true, now, difference
		return true
	}
	c.lowest = min(c.lowest, difference)
	if now-c.since < settling {
		return true
	}
	c.offset, c.suspected = c.lowest, false
	return false
}

// add remembers a relay, in place of the one that was silent for longest when
// there are too many.
func (e *Estimator) add(name string, c *clock) {
	if e.relays == nil {
		e.relays = map[string]*clock{}
	}
	if len(e.relays) >= maxRelays {
		oldest := ""
		for other, each := range e.relays {
			if oldest == "" || each.heard < e.relays[oldest].heard {
				oldest = other
			}
		}
		delete(e.relays, oldest)
	}
	e.relays[name] = c
}
