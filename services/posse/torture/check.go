package torture

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/canarytest"
	"github.com/posse-pos/posse/pkg/gateway"
)

const (
	// refusedWithin is how long after an acknowledged end a gateway that is fresh may
	// admit its session.
	refusedWithin = time.Second
	// aftermath is how long after a fault its consequences may be seen: clients wait
	// before they connect again, and a gateway that was stale becomes fresh.
	aftermath = 12 * time.Second
	// freshWithin and caughtUpWithin are how long after the last fault gateways and the
	// other roles may take.
	freshWithin    = 5 * time.Second
	caughtUpWithin = 30 * time.Second
)

// promise is one that posse makes, and how a run is held to it. Numbers and names are
// those of docs/reliability.md.
type promise struct {
	number int
	name   string
	check  func(*examined)
}

// The first makes the fold of the log that the others look into.
var promises = []promise{
	{3, "log", (*examined).checkLog},
	{1, "refused", (*examined).checkRefused},
	{2, "terminal", (*examined).checkTerminal},
	{5, "model", (*examined).checkModel},
	{6, "position", (*examined).checkPosition},
	{7, "gateways", (*examined).checkGateways},
	{9, "logout_all", (*examined).checkLogoutAll},
	{10, "logout_others", (*examined).checkLogoutOthers},
	{12, "refresh", (*examined).checkRefresh},
	{13, "tenants", (*examined).checkTenants},
	{14, "replay", (*examined).checkReplay},
	{15, "secrets", (*examined).checkSecrets},
	{16, "mended", (*examined).checkMended},
	{18, "valid", (*examined).checkValid},
}

// Check examines a recorded run, and returns what it finds and how much it looked at
// for each promise.
func Check(dir string) (findings []Finding, looked map[string]int, err error) {
	x, looked, err := examine(dir)
	if err != nil {
		return nil, nil, err
	}
	return x.findings, looked, nil
}

func examine(dir string) (x *examined, looked map[string]int, err error) {
	if x, err = open(dir); err != nil {
		return nil, nil, err
	}
	looked = map[string]int{}
	for _, p := range promises {
		x.promise, x.looked = p.name, 0
		p.check(x)
		looked[p.name] = x.looked
	}
	return x, looked, nil
}

// shownFindings is how many findings are written out.
const shownFindings = 5

// Report examines a run and writes what came of it. The error says that a promise was
// broken.
func Report(out io.Writer, dir string) error {
	x, looked, err := examine(dir)
	if err != nil {
		return err
	}
	findings := x.findings
	fmt.Fprintf(out, "seed %d, %s of faults, recorded in %s\n", x.meta.Seed, x.meta.Duration, dir)
	for _, p := range promises {
		broken := len(slices.DeleteFunc(slices.Clone(findings), func(f Finding) bool { return f.Promise != p.name }))
		verdict := "kept"
		if broken > 0 {
			verdict = fmt.Sprintf("BROKEN %d times", broken)
		}
		fmt.Fprintf(out, "  %2d %-14s %8d looked at  %s\n", p.number, p.name, looked[p.name], verdict)
	}
	if len(findings) == 0 {
		return nil
	}
	fmt.Fprintln(out, "\nthe faults:")
	for _, f := range x.faults {
		fmt.Fprintf(out, "  %s, mended at %.2fs %s\n", f.Step, f.End.Seconds(), f.Error)
	}
	for _, f := range findings[:min(len(findings), shownFindings)] {
		fmt.Fprintf(out, "\n%s: %s\n", f.Promise, f.Text)
		for _, op := range shortened(f.Course) {
			fmt.Fprintf(out, "  %8.3fs to %8.3fs  %-13s %-20s via %-11s %s %d %s\n", op.Start.Seconds(), op.End.Seconds(),
				op.Kind, op.Client, op.Via, op.Outcome, op.Status, op.Reason)
		}
	}
	return fmt.Errorf("seed %d: %d findings; examine them again with -check %s", x.meta.Seed, len(findings), dir)
}

// shortened leaves out the requests in between that were answered like the one before
// at the same gateway.
func shortened(course []Operation) []Operation {
	last := map[string]Operation{}
	return slices.DeleteFunc(slices.Clone(course), func(op Operation) bool {
		if op.Kind != Request && op.Kind != List {
			return false
		}
		before, seen := last[op.Via]
		last[op.Via] = op
		return seen && before.Outcome == op.Outcome && before.Status == op.Status && before.Reason == op.Reason
	})
}

func (x *examined) checkLog() {
	x.fold()
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
		}
	}
	if l.refreshed < certain || l.refreshed > possible {
		x.sessionf(l.session, "the log has %d refreshes of it, %d were acknowledged and %d may have happened",
			l.refreshed, certain, possible)
	}
}

func (x *examined) checkRefused() {
	acked := x.ended()
	for _, op := range x.operations {
		at, ok := acked[op.Session]
		if op.Kind != Request || !ok || op.Start < at {
			continue
		}
		x.looked++
		bound := refusedWithin
		if !x.isCalm(at, op.End) {
			bound = gateway.DefaultStaleAfter
		}
		if late := op.Start - at; op.Outcome == OK && late > bound {
			x.sessionf(op.Session, "%s admits it %s after its end was acknowledged", op.Via, late.Round(time.Millisecond))
		}
	}
}

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
		case op.Reason == "session_revoked" && (!before || op.End < at):
			refused[op.Via+op.Session] = op.End
		}
	}
}

// ofSession is what is compared of a session that is shown.
type ofSession struct {
	Session string `json:"session"`
	Ended   *struct {
		Cause    string `json:"cause"`
		Position uint64 `json:"position"`
	} `json:"ended"`
}

func (x *examined) checkModel() {
	for session, both := range differing(x.shown) {
		x.sessionf(session, "two query processes show it differently: %s", both)
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
	for at, sessions := range got {
		_, tenant, _ := strings.Cut(at, "/")
		for session := range union(sessions, want[tenant]) {
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

func union[V any](a, b map[string]V) map[string]struct{} {
	all := map[string]struct{}{}
	for key := range a {
		all[key] = struct{}{}
	}
	for key := range b {
		all[key] = struct{}{}
	}
	return all
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
	return left
}

func (x *examined) checkLogoutAll() {
	for _, ended := range x.commands(string(events.CauseLogoutAll)) {
		x.looked++
		for _, session := range x.spared(ended) {
			x.sessionf(session, "it signed in at %d and outlives the Logout All at %d", x.lives[session].login, ended[0].Sequence)
		}
	}
}

func (x *examined) checkLogoutOthers() {
	for _, ended := range x.commands(string(events.CauseLogoutOthers)) {
		x.looked++
		if left := x.spared(ended); len(left) != 1 {
			x.sessionf(ended[0].Event.Session, "Logout Other Devices at %d leaves %v", ended[0].Sequence, left)
		}
	}
}

func (x *examined) checkRefresh() {
	redeemed := map[string]int{}
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
		if l := x.lives[op.Session]; op.Kind == Reuse && op.Outcome == Refused && (l == nil || l.revoked == 0) {
			x.sessionf(op.Session, "a refresh token of it was used twice and it goes on")
		}
	}
}

func (x *examined) checkTenants() {
	for _, op := range x.operations {
		if op.Kind != Trespass {
			continue
		}
		x.looked++
		if op.Outcome == OK {
			x.sessionf(op.Session, "an administrator of another tenant, %s, ends it", op.Tenant)
		}
	}
	for _, f := range x.log {
		if l := x.lives[f.Event.Session]; l != nil && f.Event.Session != "" && l.tenant != f.Event.Tenant {
			x.sessionf(l.session, "fact %d says it is of %s, its login of %s", f.Sequence, f.Event.Tenant, l.tenant)
		}
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
}

// secret is what access tokens, refresh tokens and backend keys look like.
var secret = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}|posse_bk_[0-9A-Za-z]+_[0-9a-f]{16,}`)

func (x *examined) checkSecrets() {
	files, err := canarytest.Files(filepath.Join(x.dir, dirWritten))
	if err != nil {
		x.findf("%v", err)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		x.looked++
		if found := secret.Find(files[name]); found != nil {
			x.findf("%s holds %.16q…", name, found)
		}
		if filepath.Base(name) != fileDatabase && bytes.Contains(files[name], []byte(x.meta.Canary)) {
			x.findf("%s says somebody's name", name)
		}
	}
}

func (x *examined) checkMended() {
	for _, m := range x.mended {
		x.looked++
		bound := caughtUpWithin
		if strings.HasPrefix(m.Part, "gateway-") {
			bound = freshWithin
		}
		if m.After < 0 || m.After > bound {
			x.findf("%s is well %s after the last fault, and may take %s", m.Part, m.After, bound)
		}
	}
}

func (x *examined) checkValid() {
	since := map[string]time.Duration{}
	for _, op := range x.operations {
		if op.Kind == Login && op.Outcome == OK {
			since[op.Session] = op.End
		}
	}
	for _, op := range x.operations {
		l, at := x.lives[op.Session], since[op.Session]
		if op.Kind != Request || l == nil || l.revoked != 0 || at == 0 || op.Start < at {
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
