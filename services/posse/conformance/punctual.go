package conformance

import (
	"fmt"
	"slices"
	"time"
)

const (
	// tries is how often a rule with a time is tried while the gateway is late.
	tries = 5
	// slack is how much later than the rule says a gateway may be, since asking takes
	// time too.
	slack = time.Second
)

// punctual judges how long something takes that is tried several times. A busy
// machine makes one try late, or two; a gateway that is late breaks its rule each
// time. So the quickest counts.
type punctual struct {
	bound time.Duration // of the rule
	took  []time.Duration
}

func (p *punctual) tried(took time.Duration) { p.took = append(p.took, took) }

// done reports whether another try would show nothing more.
func (p *punctual) done() bool { return len(p.took) >= tries || p.verdict() == nil }

// verdict is nil if one of the tries was in time. There has to be one, as for note.
func (p *punctual) verdict() error {
	if quickest := slices.Min(p.took); quickest > p.bound+slack {
		return fmt.Errorf("after %s, the quickest of %d, and the rule says %s", round(quickest), len(p.took), p.bound)
	}
	return nil
}

// note says how long the quickest took, and how many were late.
func (p *punctual) note() string {
	note := "after " + round(slices.Min(p.took))
	late := 0
	for _, took := range p.took {
		if took > p.bound {
			late++
		}
	}
	if late > 0 {
		note += fmt.Sprintf(" at the quickest, and %d of %d later than %s: look whether this machine is busy", late, len(p.took), p.bound)
	}
	return note
}
