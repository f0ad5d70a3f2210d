package torture

import (
	"encoding/json"
	"maps"
	"slices"
)

// What a session is in the end.
const (
	stateActive   = "active"
	stateEnded    = "ended"
	stateNotThere = "not there"
)

// checkUnknown starts from the calls of which nobody was told what came of them. Whether
// they happened is for the log to say. In the end every list and every gateway has to say
// the same of each session that such a call was about.
func (x *examined) checkUnknown() {
	shown, asked := x.shownInTheEnd(), x.askedInTheEnd()
	for _, op := range x.operations {
		if op.Outcome != Unknown || !op.isCommand() {
			continue
		}
		x.looked++
		for _, session := range x.concerned(op) {
			want := x.stateInTheEnd(session)
			for _, query := range slices.Sorted(maps.Keys(shown)) {
				got := stateNotThere
				if state, is := shown[query][session]; is {
					got = state
				}
				x.agrees(op, session, want, query, got)
			}
			for _, gateway := range slices.Sorted(maps.Keys(asked)) {
				if got, is := asked[gateway][session]; is {
					x.agrees(op, session, want, gateway, got)
				}
			}
		}
	}
}

func (x *examined) agrees(op Operation, session, want, place, got string) {
	if got != want {
		x.sessionf(session, "a %s at %.3fs has an unknown outcome: the log says that the session is %s, and %s that it is %s",
			op.Kind, op.Start.Seconds(), want, place, got)
	}
}

func (x *examined) stateInTheEnd(session string) string {
	switch l := x.lives[session]; {
	case l == nil || l.login == 0:
		return stateNotThere
	case l.revoked != 0:
		return stateEnded
	default:
		return stateActive
	}
}

// concerned are the sessions that a command may have changed.
func (x *examined) concerned(op Operation) []string {
	if !op.endsMany() {
		return []string{op.Session}
	}
	var all []string
	for _, l := range x.everybody() {
		if l.tenant == op.Tenant && l.user == op.User {
			all = append(all, l.session)
		}
	}
	return all
}

// shownInTheEnd are the states of the sessions that each query process shows.
func (x *examined) shownInTheEnd() map[string]map[string]string {
	shown := map[string]map[string]string{}
	for _, one := range x.shown {
		var s ofSession
		if json.Unmarshal(one.Session, &s) == nil {
			put(shown, one.Query, s.Session, one.State)
		}
	}
	return shown
}

// askedInTheEnd are those of the sessions whose devices asked each gateway once more.
func (x *examined) askedInTheEnd() map[string]map[string]string {
	asked := map[string]map[string]string{}
	for _, op := range x.operations {
		switch {
		case op.Kind != Request || !op.Last:
		case op.Outcome == OK:
			put(asked, op.Via, op.Session, stateActive)
		case op.Reason == reasonRevoked:
			put(asked, op.Via, op.Session, stateEnded)
		}
	}
	return asked
}

func put(in map[string]map[string]string, at, key, value string) {
	if in[at] == nil {
		in[at] = map[string]string{}
	}
	in[at][key] = value
}
