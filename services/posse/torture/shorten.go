package torture

import (
	"fmt"
	"slices"
	"time"
)

const (
	// shortenFor is how long a finding's course is shortened.
	shortenFor = 4 * time.Second
	// shownCalls is how many calls of it are written out.
	shownCalls = 40
)

// shortest returns a course of events with which the examination still finds the same:
// one from which no call can be left out, if that is found in time.
//
// This is the minimizing delta debugging of Zeller and Hildebrandt, of which only the
// complements are tried: a part of the calls rarely shows by itself what all of them do.
func (r *recorded) shortest(f Finding) []Operation {
	at := slices.IndexFunc(promises, func(p promise) bool { return p.name == f.Promise })
	finds := func(operations []Operation) bool {
		part := *r
		part.operations = operations
		findings, _ := part.examine(promises[at])
		return slices.Contains(findings, f)
	}
	kept := r.operations
	if f.session != "" {
		if own := r.course(f.session); finds(own) {
			kept = own
		}
	}
	deadline := time.Now().Add(shortenFor)
	return minimized(kept, func(operations []Operation) bool { return time.Now().Before(deadline) && finds(operations) })
}

// Caught is when a promise was found to be broken.
type Caught struct {
	Promise string
	// After is how long after the clients began the history goes on that shows it; zero
	// if it shows in what was written down in the end, without any call.
	After time.Duration
}

// String says it in words.
func (c Caught) String() string {
	if c.After == 0 {
		return c.Promise + " in the end"
	}
	return fmt.Sprintf("%s after %.1f s", c.Promise, c.After.Seconds())
}

// WhenCaught examines a recorded run and says when each promise that it breaks was found
// to be broken, by the shortest histories of its first findings.
func WhenCaught(dir string) ([]Caught, error) {
	r, err := open(dir)
	if err != nil {
		return nil, err
	}
	var all []Caught
	for _, p := range promises {
		findings, _ := r.examine(p)
		if len(findings) == 0 {
			continue
		}
		caught := Caught{Promise: p.name}
		for _, f := range findings[:min(len(findings), shownFindings)] {
			after := time.Duration(0)
			for _, op := range r.shortest(f) {
				after = max(after, op.End)
			}
			if after != 0 && (caught.After == 0 || after < caught.After) {
				caught.After = after
			}
		}
		all = append(all, caught)
	}
	return all, nil
}

// course is what happened to a session, or to all of its user's.
func (r *recorded) course(session string) []Operation {
	user := ""
	for _, f := range r.log {
		if f.Event.Session == session {
			user = f.Event.Tenant + "/" + f.Event.User
		}
	}
	return slices.DeleteFunc(slices.Clone(r.operations), func(op Operation) bool {
		return op.Session != session && !slices.Contains(op.Sessions, session) && (!op.endsMany() || op.Tenant+"/"+op.User != user)
	})
}

// minimized leaves out ever smaller parts of a list for as long as the rest will do.
func minimized[E any](all []E, do func(rest []E) bool) []E {
	if do(nil) {
		return nil
	}
	for size := (len(all) + 1) / 2; size > 0; {
		before := len(all)
		for from := 0; from < len(all); {
			rest := slices.Concat(all[:from], all[min(from+size, len(all)):])
			if do(rest) {
				all = rest
			} else {
				from += size
			}
		}
		switch {
		case size > 1:
			size = (size + 1) / 2
		case len(all) == before:
			size = 0
		}
	}
	return all
}
