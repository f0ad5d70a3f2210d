package torture

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/posse-pos/posse/events"
)

func (x *examined) checkRefusedStays() {
	refused := map[string]time.Duration{} // by gateway and session, when that answer came
	for _, op := range x.operations {
		if op.Kind != Request {
			continue
		}
		x.looked++
		at, before := refused[op.Via+op.Session]
		switch {
		case before && op.Outcome == OK && op.Start > at:
			x.sessionf(op.Session, "%s refuses it and admits it again", op.Via)
		case op.Reason == reasonRevoked && (!before || op.End < at):
			refused[op.Via+op.Session] = op.End
		}
	}
}

func (x *examined) checkGateways() {
	for _, op := range x.operations {
		if !op.Last {
			continue
		}
		x.looked++
		l := x.lives[op.Session]
		if admitted := op.Outcome == OK; l != nil && admitted != (l.revoked == 0) {
			x.sessionf(op.Session, "in the end %s answers %s (%d %s), its end is at %d of the log",
				op.Via, op.Outcome, op.Status, op.Reason, l.revoked)
		}
	}
}

func (x *examined) checkValid() {
	since := map[string]time.Duration{}
	for _, op := range x.operations {
		if _, before := since[op.Session]; !before && op.Kind == Login && op.Outcome == OK {
			since[op.Session] = op.End
		}
	}
	enders := x.enders()
	for _, op := range x.operations {
		l, at := x.lives[op.Session], since[op.Session]
		if op.Kind != Request || l == nil || at == 0 || op.Start < at {
			continue
		}
		if l.revoked != 0 {
			x.checkTooEarly(op, enders(l))
			continue
		}
		x.looked++
		switch {
		case op.Outcome == Refused:
			x.sessionf(op.Session, "%s refuses it with %d %s, and it is signed in", op.Via, op.Status, op.Reason)
		case op.Outcome == Unknown && x.isCalm(op.Start, op.End):
			x.sessionf(op.Session, "%s does not admit it (%d %s) while nothing is broken", op.Via, op.Status, op.Reason)
		}
	}
}

// checkTooEarly finds a refusal of a session that ended later on.
func (x *examined) checkTooEarly(op Operation, enders []Operation) {
	if op.Outcome != Refused || len(enders) == 0 {
		return
	}
	x.looked++
	first := slices.MinFunc(enders, func(a, b Operation) int { return cmp.Compare(a.Start, b.Start) })
	if op.End < first.Start {
		x.sessionf(op.Session, "%s refuses it with %d %s at %.3fs, and nobody asked for its end before %.3fs",
			op.Via, op.Status, op.Reason, op.End.Seconds(), first.Start.Seconds())
	}
}

// checkApplied holds what gateways say of their positions against what they admit. One
// that says it is fresh at a position refuses from then on, for as long as its process
// lives, every session that ended up to there.
func (x *examined) checkApplied() {
	samples := map[string][]Operation{} // by gateway
	for _, op := range x.operations {
		if op.Kind == Status && op.Outcome == OK {
			samples[op.Via] = append(samples[op.Via], op)
		}
	}
	for _, gateway := range slices.Sorted(maps.Keys(samples)) {
		x.checkPositions(samples[gateway])
	}
	for _, op := range x.operations {
		l := x.lives[op.Session]
		if op.Kind != Request || op.Outcome != OK || l == nil {
			continue
		}
		position := appliedAt(samples[op.Via], op)
		if position == 0 {
			continue
		}
		x.looked++
		if l.revoked != 0 && l.revoked <= position {
			x.sessionf(op.Session, "%s admits it at %.3fs, had said before that it is fresh at position %d, and the session ended at %d",
				op.Via, op.Start.Seconds(), position, l.revoked)
		}
	}
}

// appliedAt returns the position that a gateway said it is fresh at before a request, if
// the process that said so is the one that was asked: it says something afterwards too.
// It is 0 if that is not known.
func appliedAt(samples []Operation, request Operation) uint64 {
	after := slices.IndexFunc(samples, func(s Operation) bool { return s.Start >= request.End })
	if after < 0 {
		return 0
	}
	for _, s := range slices.Backward(samples[:after]) {
		switch {
		case s.Process != samples[after].Process:
			return 0
		case s.Fresh && s.End <= request.Start:
			return s.Position
		}
	}
	return 0
}

// checkPositions looks at what one gateway says of itself, in order.
func (x *examined) checkPositions(samples []Operation) {
	end, lastEnd := uint64(0), uint64(0)
	for _, f := range x.log {
		end = f.Sequence
		if f.is(events.TypeRevoked) {
			lastEnd = f.Sequence
		}
	}
	for i, s := range samples {
		x.looked++
		if i > 0 && s.Process == samples[i-1].Process && s.Position < samples[i-1].Position {
			x.operationf(s, "%s says it is at position %d at %.3fs, and was at %d",
				s.Via, s.Position, s.Start.Seconds(), samples[i-1].Position)
		}
		if s.Position > end {
			x.operationf(s, "%s says it is at position %d at %.3fs, and the log ends at %d", s.Via, s.Position, s.Start.Seconds(), end)
		}
		if s.Last && s.Fresh && s.Position < lastEnd {
			x.operationf(s, "%s says in the end that it is fresh at position %d, and a session ended at %d", s.Via, s.Position, lastEnd)
		}
	}
}
