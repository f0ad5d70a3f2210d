package torture

import (
	"cmp"
	"slices"
	"time"
)

// checkLag is about the time in which nothing happened but traffic and poison: what was
// acknowledged is seen within lagBound by everybody.
func (x *examined) checkLag() {
	acks := x.acksInPeace()
	var ended []acked // of them, those that end sessions
	for _, a := range acks {
		if a.ends {
			ended = append(ended, a)
		}
	}
	for _, op := range x.operations {
		if op.Outcome != OK || len(acks) == 0 || !x.isPeace(op.Start) {
			continue
		}
		if op.Kind == List {
			x.checkLagOf(op, before(acks, op.Start-lagBound))
		}
		if op.Kind == Status {
			x.checkLagOf(op, before(ended, op.Start-lagBound))
		}
	}
	x.checkLateRefusals()
}

// checkLateRefusals is about the sessions that ended then.
func (x *examined) checkLateRefusals() {
	since := x.ended()
	for _, op := range x.operations {
		at, is := since[op.Session]
		if op.Kind != Request || !is || op.Start < at+lagBound || !x.isPeace(at) || !x.isPeace(op.Start) {
			continue
		}
		x.looked++
		if op.Outcome == OK {
			x.sessionf(op.Session, "%s admits it %s after its end, while nothing happens but poison",
				op.Via, (op.Start - at).Round(time.Millisecond))
		}
	}
}

func (x *examined) checkLagOf(op Operation, acked uint64) {
	if acked == 0 {
		return
	}
	x.looked++
	if op.Position < acked {
		x.operationf(op, "%s is at position %d at %.3fs, and %d was acknowledged %s before, while nothing happens but poison",
			op.Via, op.Position, op.Start.Seconds(), acked, lagBound)
	}
}

// acked is a command that was acknowledged.
type acked struct {
	at       time.Duration
	position uint64 // the greatest up to then
	ends     bool
}

// acksInPeace are the acknowledgements of the time in which nothing happened but poison,
// in order.
func (x *examined) acksInPeace() []acked {
	var all []acked
	for _, op := range x.operations {
		if op.isCommand() && op.Outcome == OK && op.Position > 0 && x.isPeace(op.End) {
			all = append(all, acked{op.End, op.Position, len(op.Sessions) > 0})
		}
	}
	slices.SortFunc(all, func(a, b acked) int { return cmp.Compare(a.at, b.at) })
	return all
}

// before is the greatest position that was acknowledged up to a time.
func before(acks []acked, at time.Duration) (position uint64) {
	for _, a := range acks {
		if a.at <= at {
			position = max(position, a.position)
		}
	}
	return position
}

// isPeace reports whether everything was well, and nothing happened since but poison.
func (x *examined) isPeace(at time.Duration) bool {
	if x.meta.Well == 0 || at < x.meta.Well {
		return false
	}
	return !slices.ContainsFunc(x.faults, func(f Fault) bool {
		switch {
		case f.End < x.meta.Well:
			return false
		case f.Action == Poison, f.Action == stall:
			return f.End-f.Begin > stalled && f.Begin-lagBound <= at && at <= f.End+lagBound
		default:
			return f.Begin <= at
		}
	})
}
