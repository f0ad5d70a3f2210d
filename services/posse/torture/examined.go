package torture

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/posse-pos/posse/events"
)

// fact is one of the log, as a replay writes it.
type fact struct {
	Sequence uint64 `json:"sequence"`
	ID       string `json:"id"`
	Type     string `json:"type"`
	Event    struct {
		Tenant    string `json:"tenant"`
		User      string `json:"user"`
		Session   string `json:"session"`
		Cause     string `json:"cause"`
		CommandID string `json:"command_id"`
	} `json:"event"`
}

func (f fact) is(t events.Type) bool { return f.Type == string(t)+".v1" }

// life is what the log says of one session.
type life struct {
	tenant, user, session string
	login, revoked        uint64 // sequences; 0 if there is none
	refreshed             int
	cause, command        string // of its end
}

// activeAt reports whether the session is active when the log ends at a sequence.
func (l *life) activeAt(sequence uint64) bool {
	return l.login != 0 && l.login <= sequence && (l.revoked == 0 || l.revoked > sequence)
}

// recorded is a run as it was written down.
type recorded struct {
	dir        string
	meta       Meta
	operations []Operation
	faults     []Fault
	log        []fact
	shown      []Shown
	mended     []Mended
	verified   []Verified
	models     map[string][]byte // dumps by file
}

// examined is a run that is held to promises.
type examined struct {
	*recorded

	lives    map[string]*life // by session: no two have the same name in a run
	people   []*life          // see everybody, in order of their logins
	findings []Finding
	promise  string // its name
	looked   int    // at so many things for this promise
}

func open(dir string) (*recorded, error) {
	r := &recorded{dir: dir}
	var metas []Meta
	var err error
	for name, read := range map[string]func() error{
		fileRun:        func() error { metas, err = readLines[Meta](dir, fileRun); return err },
		fileOperations: func() error { r.operations, err = readLines[Operation](dir, fileOperations); return err },
		fileFaults:     func() error { r.faults, err = readLines[Fault](dir, fileFaults); return err },
		fileLog:        func() error { r.log, err = readLines[fact](dir, fileLog); return err },
		fileModel:      func() error { r.shown, err = readLines[Shown](dir, fileModel); return err },
		fileVerified:   func() error { r.verified, err = readLines[Verified](dir, fileVerified); return err },
		fileMended:     func() error { r.mended, err = readLines[Mended](dir, fileMended); return err },
		fileLive:       func() error { r.models, err = readModels(dir); return err },
	} {
		if err := read(); err != nil {
			return nil, fmt.Errorf("torture: %s is no recorded run: %s: %w", dir, name, err)
		}
	}
	if len(metas) != 1 {
		return nil, fmt.Errorf("torture: %s is no recorded run: %s holds %d runs", dir, fileRun, len(metas))
	}
	r.meta = metas[0]
	slices.SortStableFunc(r.operations, func(a, b Operation) int { return cmp.Compare(a.Start, b.Start) })
	return r, nil
}

// fold makes the lives, and finds facts that there may be one of only.
func (x *examined) fold() {
	ids := map[string]uint64{}
	for _, f := range x.log {
		if f.Type == "" {
			continue // poison
		}
		if other, twice := ids[f.ID]; twice {
			x.findf("fact %q is in the log at %d and at %d", f.ID, other, f.Sequence)
		}
		ids[f.ID] = f.Sequence
		l := x.lives[f.Event.Session]
		if l == nil {
			l = &life{tenant: f.Event.Tenant, user: f.Event.User, session: f.Event.Session}
			x.lives[f.Event.Session] = l
		}
		switch {
		case f.is(events.TypeLoggedIn):
			if l.login != 0 {
				x.sessionf(l.session, "it is signed in at %d and at %d of the log", l.login, f.Sequence)
			}
			l.login = f.Sequence
		case f.is(events.TypeRefreshed):
			l.refreshed++
			if l.revoked != 0 {
				x.sessionf(l.session, "it is refreshed at %d, after its end at %d", f.Sequence, l.revoked)
			}
		case f.is(events.TypeRevoked):
			if l.revoked != 0 {
				x.sessionf(l.session, "it ends at %d and at %d of the log", l.revoked, f.Sequence)
				continue
			}
			l.revoked, l.cause, l.command = f.Sequence, f.Event.Cause, f.Event.CommandID
		}
	}
}

// everybody are the lives of those whom the traffic was about.
func (x *examined) everybody() []*life {
	if x.people == nil {
		all := slices.Collect(maps.Values(x.lives))
		all = slices.DeleteFunc(all, func(l *life) bool { return l.login == 0 || l.user == "admin" })
		slices.SortFunc(all, func(a, b *life) int { return cmp.Compare(a.login, b.login) })
		x.people = all
	}
	return x.people
}

// ended returns when each session's end was acknowledged first.
func (x *examined) ended() map[string]time.Duration {
	acked := map[string]time.Duration{}
	for _, op := range x.operations {
		if op.Outcome != OK || !op.isCommand() {
			continue
		}
		for _, session := range op.Sessions {
			if at, ok := acked[session]; !ok || op.End < at {
				acked[session] = op.End
			}
		}
	}
	return acked
}

// isCalm reports whether nothing was broken, or mended a moment ago, in a time.
func (x *examined) isCalm(from, to time.Duration) bool {
	for _, f := range x.faults {
		if f.Begin <= to && from <= f.End+aftermath {
			return false
		}
	}
	return true
}

// Finding is a promise that was broken.
type Finding struct {
	Promise string
	Text    string

	session string // that it is about; "" if it is about more or less than that
}

func (x *examined) findf(format string, args ...any) {
	x.findings = append(x.findings, Finding{Promise: x.promise, Text: fmt.Sprintf(format, args...)})
}

// sessionf is a finding about a session.
func (x *examined) sessionf(session, format string, args ...any) {
	text := fmt.Sprintf("session %s: ", session) + fmt.Sprintf(format, args...)
	x.findings = append(x.findings, Finding{Promise: x.promise, Text: text, session: session})
}

// operationf is a finding about a call.
func (x *examined) operationf(op Operation, format string, args ...any) {
	x.findings = append(x.findings, Finding{Promise: x.promise, Text: fmt.Sprintf(format, args...), session: op.Session})
}
