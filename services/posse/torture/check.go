package torture

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

const (
	// refusedWithin is how long after an acknowledged end a gateway that is fresh may
	// admit its session.
	refusedWithin = time.Second
	// lagBound is how long after its acknowledgement everybody sees a login or an end while
	// nothing is broken. A second is what gateways may take; the others are for machines
	// that have other work. Poison comes more often than that, so whoever it stops each
	// time does not come back.
	lagBound = 3 * time.Second
	// aftermath is how long after a fault its consequences may be seen: clients wait
	// before they connect again, and a gateway that was stale becomes fresh.
	aftermath = 12 * time.Second
	// freshWithin and caughtUpWithin are how long after the last fault gateways and the
	// other roles may take.
	freshWithin    = 5 * time.Second
	caughtUpWithin = 30 * time.Second
)

// reasonRevoked is what a gateway says of a session that has ended.
const reasonRevoked = "session_revoked"

// promise is one that posse makes, and how a run is held to it. Numbers and names are
// those of docs/reliability.md.
type promise struct {
	number int
	name   string
	check  func(*examined)
}

var promises = []promise{
	{1, promiseRefused, (*examined).checkRefused},
	{2, promiseTerminal, (*examined).checkTerminal},
	{3, promiseLog, (*examined).checkLog},
	{4, "unknown", (*examined).checkUnknown},
	{5, promiseModel, (*examined).checkModel},
	{6, promisePosition, (*examined).checkPosition},
	{7, promiseGateways, (*examined).checkGateways},
	{8, promiseApplied, (*examined).checkApplied},
	{9, promiseLogoutAll, (*examined).checkLogoutAll},
	{10, promiseLogoutOthers, (*examined).checkLogoutOthers},
	{11, "repeated", (*examined).checkRepeated},
	{12, promiseRefresh, (*examined).checkRefresh},
	{13, promiseTenants, (*examined).checkTenants},
	{14, "replay", (*examined).checkReplay},
	{15, promiseSecrets, (*examined).checkSecrets},
	{16, promiseMended, (*examined).checkMended},
	{17, "lag", (*examined).checkLag},
	{18, "valid", (*examined).checkValid},
	{19, promisePaging, (*examined).checkPaging},
}

// Names of promises that others speak of.
const (
	promiseRefused      = "refused"
	promiseTerminal     = "terminal"
	promiseLog          = "log" // which the fold of the log is held to
	promiseModel        = "model"
	promisePosition     = "position"
	promiseGateways     = "gateways"
	promiseApplied      = "applied"
	promiseLogoutAll    = "logout_all"
	promiseLogoutOthers = "logout_others"
	promiseRefresh      = "refresh"
	promiseTenants      = "tenants"
	promiseSecrets      = "secrets"
	promiseMended       = "mended"
	promisePaging       = "paging"
)

// Check examines a recorded run, and returns what it finds and how much it looked at
// for each promise.
func Check(dir string) (findings []Finding, looked map[string]int, err error) {
	r, err := open(dir)
	if err != nil {
		return nil, nil, err
	}
	findings, looked = r.examine(promises...)
	return findings, looked, nil
}

// examine holds a run to promises.
func (r *recorded) examine(to ...promise) (findings []Finding, looked map[string]int) {
	x := &examined{recorded: r, lives: map[string]*life{}, promise: promiseLog}
	x.fold()
	if !slices.ContainsFunc(to, func(p promise) bool { return p.name == promiseLog }) {
		x.findings = nil
	}
	looked = map[string]int{}
	for _, p := range to {
		x.promise, x.looked = p.name, 0
		p.check(x)
		looked[p.name] = x.looked
	}
	return x.findings, looked
}

// shownFindings is how many findings are written out.
const shownFindings = 5

// Report examines a run and writes what came of it. The error says that a promise was
// broken.
func Report(out io.Writer, dir string) error {
	r, err := open(dir)
	if err != nil {
		return err
	}
	findings, looked := r.examine(promises...)
	fmt.Fprintf(out, "seed %d, servers of NATS: %d, clocks that are off: %d, %s of faults, recorded in %s\n",
		r.meta.Seed, r.meta.Servers, len(r.meta.Clocks), r.meta.Duration, dir)
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
	for _, f := range r.faults {
		fmt.Fprintf(out, "  %s, mended at %.2fs %s\n", f.Step, f.End.Seconds(), f.Error)
	}
	for _, f := range findings[:min(len(findings), shownFindings)] {
		r.tell(out, f)
	}
	return fmt.Errorf("seed %d: %d findings; examine them again with -check %s", r.meta.Seed, len(findings), dir)
}

// tell writes a finding, what the log says of the session that it is about, and the
// shortest course of events that it could find.
func (r *recorded) tell(out io.Writer, f Finding) {
	fmt.Fprintf(out, "\n%s: %s\n", f.Promise, f.Text)
	for _, fact := range r.log {
		if f.session != "" && fact.Event.Session == f.session {
			fmt.Fprintf(out, "  %8d of the log  %s %s %s\n", fact.Sequence, fact.Type, fact.Event.Cause, fact.Event.CommandID)
		}
	}
	course := r.shortest(f)
	fmt.Fprintf(out, "  found with %d of %d calls:\n", len(course), len(r.operations))
	for _, op := range course[:min(len(course), shownCalls)] {
		fmt.Fprintf(out, "  %8.3fs to %8.3fs  %-13s %-20s via %-11s %s/%s %s %s %d %s%s\n", op.Start.Seconds(), op.End.Seconds(),
			op.Kind, op.Client, op.Via, op.Tenant, op.User, op.Session, op.Outcome, op.Status, op.Reason, op.shown())
	}
	if len(course) > shownCalls {
		fmt.Fprintf(out, "  and %d more\n", len(course)-shownCalls)
	}
}

// shown is what an answer shows, as far as it is more than an outcome.
func (op Operation) shown() string {
	var said strings.Builder
	if op.Position > 0 {
		fmt.Fprintf(&said, " position %d %v", op.Position, op.Sessions)
	}
	for _, page := range op.Pages {
		fmt.Fprintf(&said, "\n%26s page of %s, position %d: %v", "", page.Via, page.Position, page.Users)
	}
	return said.String()
}
