package torture

import (
	"maps"
	"slices"
)

// checkPaging holds a list that was paged through while everything changed against the
// log: nobody is on it twice, whoever had a session from before the first page until
// after the last is on it, and each page counts what its position says.
func (x *examined) checkPaging() {
	for _, op := range x.operations {
		if op.Kind != Users {
			continue
		}
		x.looked += len(op.Pages)
		seen, at := map[string]bool{}, uint64(0)
		for _, page := range op.Pages {
			for _, user := range slices.Sorted(maps.Keys(page.Users)) {
				if seen[user] || slices.Contains(page.Twice, user) {
					x.operationf(op, "%s/%s is on the list of %.3fs twice", op.Tenant, user, op.Start.Seconds())
				}
				seen[user] = true
			}
			if page.Position < at {
				x.operationf(op, "a page of %s at %.3fs is of position %d, the one before of %d",
					op.Tenant, op.Start.Seconds(), page.Position, at)
			}
			at = max(at, page.Position)
			x.checkPage(op, page)
		}
		if op.Outcome == OK && len(op.Pages) > 0 {
			x.checkMissed(op, seen)
		}
	}
}

func (x *examined) checkPage(op Operation, page Page) {
	active := x.activeUsers(op.Tenant, page.Position, page.Position)
	for _, user := range slices.Sorted(maps.Keys(page.Users)) {
		if shown := page.Users[user]; shown != active[user] {
			x.operationf(op, "%s at %.3fs shows %d sessions of %s/%s at position %d, the log up to there says %d",
				page.Via, op.Start.Seconds(), shown, op.Tenant, user, page.Position, active[user])
		}
	}
}

func (x *examined) checkMissed(op Operation, seen map[string]bool) {
	first, last := op.Pages[0].Position, op.Pages[len(op.Pages)-1].Position
	for _, user := range slices.Sorted(maps.Keys(x.activeUsers(op.Tenant, first, last))) {
		if !seen[user] {
			x.operationf(op, "%s/%s is not on the list of %.3fs, and had a session from position %d to %d",
				op.Tenant, user, op.Start.Seconds(), first, last)
		}
	}
}

// activeUsers counts the sessions of each user that were active from one position to
// another.
func (x *examined) activeUsers(tenant string, from, to uint64) map[string]int {
	users := map[string]int{}
	for _, l := range x.lives {
		if l.tenant == tenant && l.activeAt(from) && l.activeAt(to) {
			users[l.user]++
		}
	}
	return users
}
