package torture

import (
	"net/http"
	"slices"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/gateway"
)

func (x *examined) checkRefused() {
	x.checkAdmitted(x.ended(), "its end was acknowledged")
}

// checkAdmitted looks for requests that are admitted too long after a moment from which
// on their session had to be refused.
func (x *examined) checkAdmitted(since map[string]time.Duration, what string) {
	for _, op := range x.operations {
		at, ok := since[op.Session]
		if op.Kind != Request || !ok || op.Start < at {
			continue
		}
		x.looked++
		bound := refusedWithin
		if !x.isCalm(at, op.End) {
			bound = gateway.DefaultStaleAfter
		}
		if late := op.Start - at; op.Outcome == OK && late > bound {
			x.sessionf(op.Session, "%s admits it %s after %s", op.Via, late.Round(time.Millisecond), what)
		}
	}
}

// commands returns the sequences and sessions that each command of a cause ended.
func (x *examined) commands(cause string) map[string][]fact {
	all := map[string][]fact{}
	for _, f := range x.log {
		if f.is(events.TypeRevoked) && f.Event.Cause == cause {
			all[f.Event.CommandID] = append(all[f.Event.CommandID], f)
		}
	}
	return all
}

// spared are the sessions that were active when a command ended those of their user,
// and that it left.
func (x *examined) spared(ended []fact) []string {
	first := ended[0]
	var left []string
	for _, l := range x.lives {
		if l.tenant == first.Event.Tenant && l.user == first.Event.User && l.activeAt(first.Sequence-1) &&
			!slices.ContainsFunc(ended, func(f fact) bool { return f.Event.Session == l.session }) {
			left = append(left, l.session)
		}
	}
	slices.Sort(left)
	return left
}

func (x *examined) checkLogoutAll() {
	for _, ended := range x.commands(string(events.CauseLogoutAll)) {
		x.looked++
		for _, session := range x.spared(ended) {
			x.sessionf(session, "it signed in at %d and outlives the Logout All at %d", x.lives[session].login, ended[0].Sequence)
		}
	}
	x.checkSignedOut(LogoutAll, "a Logout All")
}

func (x *examined) checkLogoutOthers() {
	for _, ended := range x.commands(string(events.CauseLogoutOthers)) {
		x.looked++
		if left := x.spared(ended); len(left) != 1 {
			x.sessionf(ended[0].Event.Session, "Logout Other Devices at %d leaves %v", ended[0].Sequence, left)
		}
	}
	x.checkSignedOut(LogoutOthers, "a Logout Other Devices")
}

// checkSignedOut holds the acknowledgements of commands that end all sessions, or all but
// one, against the log, and against what gateways admit afterwards. It goes by who had
// signed in up to the position that was acknowledged, and not by whom the answer names.
func (x *examined) checkSignedOut(kind Kind, what string) {
	since := map[string]time.Duration{}
	for _, op := range x.operations {
		if op.Kind != kind || op.Outcome != OK {
			continue
		}
		for _, l := range x.everybody() {
			if l.tenant != op.Tenant || l.user != op.User || l.login > op.Position || l.session == op.Session {
				continue
			}
			if l.activeAt(op.Position) {
				x.sessionf(l.session, "it signed in at %d, and %s was acknowledged at position %d without its end",
					l.login, what, op.Position)
			}
			if _, before := since[l.session]; !before {
				since[l.session] = op.End
			}
		}
	}
	x.checkAdmitted(since, what+" of its user was acknowledged")
}

func (x *examined) checkRefresh() {
	redeemed, reused := map[string]int{}, map[string]time.Duration{}
	for _, op := range x.operations {
		if op.Kind != Refresh && op.Kind != Reuse {
			continue
		}
		x.looked++
		if op.Outcome == OK {
			redeemed[op.Redeemed]++
			if redeemed[op.Redeemed] > 1 {
				x.sessionf(op.Session, "refresh token %s is redeemed a second time", op.Redeemed)
			}
		}
		if op.Kind != Reuse || op.Outcome != Refused || op.Status == http.StatusTooManyRequests {
			continue
		}
		if l := x.lives[op.Session]; l == nil || l.revoked == 0 {
			x.sessionf(op.Session, "a refresh token of it was used twice and it goes on")
		}
		if _, before := reused[op.Session]; !before {
			reused[op.Session] = op.End
		}
	}
	x.checkAdmitted(reused, "a refresh token of it was refused that had been used before")
}
