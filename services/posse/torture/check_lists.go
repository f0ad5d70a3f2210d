package torture

import (
	"slices"
)

func (x *examined) checkTerminal() {
	for _, op := range x.operations {
		if op.Kind != List {
			continue
		}
		for _, session := range op.Sessions {
			x.looked++
			if l := x.lives[session]; l != nil && l.revoked != 0 && l.revoked <= op.Position {
				x.sessionf(session, "%s lists it at position %d, it ended at %d", op.Via, op.Position, l.revoked)
			}
		}
	}
	x.checkRefusedStays()
}

func (x *examined) checkPosition() {
	seen := map[string]uint64{}
	for _, op := range x.operations {
		if op.Kind != List || op.Outcome != OK {
			continue
		}
		x.looked++
		if before := seen[op.Client+op.Via]; op.Position < before {
			x.findf("%s shows position %d to %s after %d", op.Via, op.Position, op.Client, before)
		}
		seen[op.Client+op.Via] = op.Position
		var want []string
		for _, l := range x.lives {
			if l.tenant == op.Tenant && l.user == op.User && l.activeAt(op.Position) {
				want = append(want, l.session)
			}
		}
		slices.Sort(want)
		if got := slices.Sorted(slices.Values(op.Sessions)); !slices.Equal(got, want) {
			x.findf("%s at %.3fs shows %v of %s/%s at position %d, the log up to there says %v",
				op.Via, op.End.Seconds(), got, op.Tenant, op.User, op.Position, want)
		}
	}
}
