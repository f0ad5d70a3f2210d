package torture

import (
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
	cause                 string
}

// activeAt reports whether the session is active when the log ends at a sequence.
func (l *life) activeAt(sequence uint64) bool {
	return l.login != 0 && l.login <= sequence && (l.revoked == 0 || l.revoked > sequence)
}

// examined is a recorded run.
type examined struct {
	dir        string
	meta       Meta
	operations []Operation
	faults     []Fault
	log        []fact
	lives      map[string]*life // by session: no two have the same name in a run
	shown      []Shown
	mended     []Mended

	findings []Finding
	promise  string // its name
	looked   int    // at so many things for this promise
}

func open(dir string) (*examined, error) {
	x := &examined{dir: dir, lives: map[string]*life{}}
	var metas []Meta
	var err error
	for name, read := range map[string]func() error{
		fileRun:        func() error { metas, err = readLines[Meta](dir, fileRun); return err },
		fileOperations: func() error { x.operations, err = readLines[Operation](dir, fileOperations); return err },
		fileFaults:     func() error { x.faults, err = readLines[Fault](dir, fileFaults); return err },
		fileLog:        func() error { x.log, err = readLines[fact](dir, fileLog); return err },
		fileModel:      func() error { x.shown, err = readLines[Shown](dir, fileModel); return err },
		fileMended:     func() error { x.mended, err = readLines[Mended](dir, fileMended); return err },
	} {
		if err := read(); err != nil {
			return nil, fmt.Errorf("torture: %s is no recorded run: %s: %w", dir, name, err)
		}
	}
	if len(metas) != 1 {
		return nil, fmt.Errorf("torture: %s is no recorded run: %s holds %d runs", dir, fileRun, len(metas))
	}
	x.meta = metas[0]
	slices.SortStableFunc(x.operations, func(a, b Operation) int { return int(a.Start - b.Start) })
	return x, nil
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
			l.revoked, l.cause = f.Sequence, f.Event.Cause
		}
	}
}

// everybody are the lives of those whom the traffic was about.
func (x *examined) everybody() []*life {
	all := slices.Collect(maps.Values(x.lives))
	all = slices.DeleteFunc(all, func(l *life) bool { return l.login == 0 || l.user == "admin" })
	slices.SortFunc(all, func(a, b *life) int { return int(a.login) - int(b.login) })
	return all
}

// ended returns when each session's end was acknowledged first.
func (x *examined) ended() map[string]time.Duration {
	acked := map[string]time.Duration{}
	for _, op := range x.operations {
		if op.Outcome != OK || op.Kind == List {
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
	// Course is what happened to the session that it is about, or to its user.
	Course []Operation
}

func (x *examined) findf(format string, args ...any) {
	x.findings = append(x.findings, Finding{Promise: x.promise, Text: fmt.Sprintf(format, args...)})
}

// sessionf is a finding about a session, with the shortest history that tells of it.
func (x *examined) sessionf(session, format string, args ...any) {
	found := Finding{Promise: x.promise, Text: fmt.Sprintf("session %s: ", session) + fmt.Sprintf(format, args...)}
	user := ""
	if l := x.lives[session]; l != nil {
		user = l.tenant + "/" + l.user
	}
	for _, op := range x.operations {
		if op.Session == session || slices.Contains(op.Sessions, session) || op.Kind == LogoutAll && op.Tenant+"/"+op.User == user {
			found.Course = append(found.Course, op)
		}
	}
	x.findings = append(x.findings, found)
}
