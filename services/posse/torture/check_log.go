package torture

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"github.com/posse-pos/posse/events"
)

func (x *examined) checkLog() {
	attempts := map[string][]Operation{} // by what could have caused a fact
	for _, op := range x.operations {
		x.looked++
		attempts[string(op.Kind)+op.Session] = append(attempts[string(op.Kind)+op.Session], op)
		switch {
		case op.Outcome != OK:
		case op.Kind == Login && (x.lives[op.Session] == nil || x.lives[op.Session].login == 0):
			x.sessionf(op.Session, "its login was acknowledged and is not in the log")
		case op.Kind == Terminate || op.Kind == LogoutAll || op.Kind == LogoutOthers:
			for _, session := range op.Sessions {
				if l := x.lives[session]; l == nil || l.revoked == 0 {
					x.sessionf(session, "its end was acknowledged and is not in the log")
				}
			}
		}
	}
	for _, l := range x.everybody() {
		x.looked++
		if !slices.ContainsFunc(attempts[string(Login)+l.session], func(op Operation) bool { return op.Outcome != Refused }) {
			x.sessionf(l.session, "the log has a login of it that nobody tried")
		}
		x.checkRefreshes(l, attempts[string(Refresh)+l.session])
	}
}

func (x *examined) checkRefreshes(l *life, tried []Operation) {
	certain, possible := 0, 0
	for _, op := range tried {
		switch op.Outcome {
		case OK:
			certain++
			possible++
		case Unknown:
			possible++
		case Refused:
			// One that was stored, and whose acknowledgement was lost, is decided again: if
			// the session has ended meanwhile, that is the answer.
			if l.revoked != 0 {
				possible++
			}
		}
	}
	if l.refreshed < certain || l.refreshed > possible {
		x.sessionf(l.session, "the log has %d refreshes of it, %d were acknowledged and %d may have happened",
			l.refreshed, certain, possible)
	}
}

// checkRepeated looks at commands that were given more than once. An acknowledged one has
// to be acknowledged again, in the same words, and what the log holds of it is what the
// answer says.
func (x *examined) checkRepeated() {
	tried, first := map[string]int{}, map[string]Operation{}
	for _, op := range x.operations {
		if op.Command == "" || op.Kind == Trespass {
			continue
		}
		name := string(op.Kind) + " " + op.Tenant + " " + op.Command
		tried[name]++
		if tried[name] > 1 {
			x.looked++
		}
		before, again := first[name]
		switch {
		case op.Outcome == OK && !again:
			first[name] = op
			x.checkWhole(op)
		case op.Outcome == OK && op.Said != before.Said:
			x.operationf(op, "%s is answered %s when it is given again, and was answered %s", name, op.Said, before.Said)
		case op.Outcome == Refused && again && before.End < op.Start && !x.isMoot(op):
			x.operationf(op, "%s is refused (%d %s) when it is given again, and was answered %s", name, op.Status, op.Reason, before.Said)
		}
	}
}

// isMoot reports whether a command can be refused although it was carried out before:
// there was no room for it, or it signs a session in that has ended since.
func (x *examined) isMoot(op Operation) bool {
	l := x.lives[op.Session]
	return op.Status == http.StatusTooManyRequests || op.Kind == Login && l != nil && l.revoked != 0
}

// checkWhole compares the sessions that a command says it ended with those that the log
// has under its id.
func (x *examined) checkWhole(op Operation) {
	if len(op.Sessions) == 0 {
		return
	}
	id := ""
	if l := x.lives[op.Sessions[0]]; l != nil {
		id = l.command
	}
	var ended []string
	for _, f := range x.log {
		if f.is(events.TypeRevoked) && f.Event.CommandID == id {
			ended = append(ended, f.Event.Session)
		}
	}
	slices.Sort(ended)
	if answered := slices.Sorted(slices.Values(op.Sessions)); !slices.Equal(slices.Compact(ended), answered) {
		x.operationf(op, "%s %q says that it ended %v, and in the log it ended %v", op.Kind, op.Command, answered, ended)
	}
}

func (x *examined) checkReplay() {
	one, err := os.ReadFile(filepath.Join(x.dir, fileLog))
	if err != nil {
		x.findf("%v", err)
		return
	}
	two, err := os.ReadFile(filepath.Join(x.dir, fileLogAgain))
	if err != nil {
		x.findf("%v", err)
		return
	}
	x.looked = len(x.log)
	if !bytes.Equal(one, two) {
		x.findf("%s and %s differ", fileLog, fileLogAgain)
	}
	for _, v := range x.verified {
		x.looked++
		if v.Differs != "" {
			x.findf("the log is not what %s signed, or it did not sign all of it: %s: %s", v.Auditor, v.Differs, v.Said)
		}
	}
}
