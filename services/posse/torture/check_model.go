package torture

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/posse-pos/posse/events"
)

// ofSession is what is compared of a session that is shown.
type ofSession struct {
	Session string `json:"session"`
	Ended   *struct {
		Cause    string `json:"cause"`
		Position uint64 `json:"position"`
	} `json:"ended"`
}

func (x *examined) checkModel() {
	x.checkDumps()
	different := differing(x.shown)
	for _, session := range slices.Sorted(maps.Keys(different)) {
		x.sessionf(session, "two query processes show it differently: %s", different[session])
	}
	want := map[string]map[string]string{}
	for _, l := range x.everybody() {
		says := "active"
		if l.revoked != 0 {
			says = fmt.Sprintf("ended %s %d", l.cause, l.revoked)
		}
		if want[l.tenant] == nil {
			want[l.tenant] = map[string]string{}
		}
		want[l.tenant][l.session] = says
	}
	got := map[string]map[string]string{}
	for _, shown := range x.shown {
		x.looked++
		var s ofSession
		if err := json.Unmarshal(shown.Session, &s); err != nil {
			x.findf("%s shows what is no session: %s", shown.Query, shown.Session)
			continue
		}
		says := shown.State
		if s.Ended != nil {
			says = fmt.Sprintf("%s %s %d", shown.State, s.Ended.Cause, s.Ended.Position)
		}
		at := shown.Query + "/" + shown.Tenant
		if got[at] == nil {
			got[at] = map[string]string{}
		}
		got[at][s.Session] = says
	}
	for _, at := range slices.Sorted(maps.Keys(got)) {
		sessions := got[at]
		_, tenant, _ := strings.Cut(at, "/")
		for _, session := range union(sessions, want[tenant]) {
			if sessions[session] != want[tenant][session] {
				x.sessionf(session, "%s shows %q, the log says %q", at, sessions[session], want[tenant][session])
			}
		}
	}
}

// momentary is what a session says of the moment at which it is looked at.
var momentary = regexp.MustCompile(`"active_now":(true|false),?`)

// differing returns what is shown of those sessions of which not everybody shows the
// same, by session.
func differing(shown []Shown) map[string]string {
	first, different := map[string]string{}, map[string]string{}
	for _, one := range shown {
		var s ofSession
		if json.Unmarshal(one.Session, &s) != nil {
			continue
		}
		says := momentary.ReplaceAllString(string(one.Session), "")
		if other, ok := first[s.Session]; ok && other != says {
			different[s.Session] = other + " and " + says
		}
		first[s.Session] = says
	}
	return different
}

// union returns the keys of both, in order.
func union[V any](a, b map[string]V) []string {
	all := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(all)
	return slices.Compact(all)
}

// checkDumps compares the canonical dumps of the read model, byte for byte: of the tables
// that served, of a fold in memory, and of the tables that were rebuilt.
func (x *examined) checkDumps() {
	live := x.models[fileLive]
	for _, name := range []string{fileFold, fileRebuilt} {
		x.looked += bytes.Count(x.models[name], []byte("\n"))
		if bytes.Equal(live, x.models[name]) {
			continue
		}
		found := len(x.findings)
		one, other := dumped(live), dumped(x.models[name])
		for _, session := range union(one, other) {
			if one[session] != other[session] {
				x.sessionf(session, "%s says %q, %s says %q", fileLive, one[session], name, other[session])
			}
		}
		if len(x.findings) == found {
			x.findf("%s and %s have the same lines and are not the same bytes", fileLive, name)
		}
	}
}

// dumped are the lines of a dump by session.
func dumped(model []byte) map[string]string {
	lines := map[string]string{}
	for line := range bytes.Lines(model) {
		var row events.Key
		if json.Unmarshal(line, &row) != nil {
			row.Session = "of no session"
		}
		lines[row.Session] += string(line)
	}
	return lines
}
