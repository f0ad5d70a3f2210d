package session_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/session"
)

// world gives random commands to one user, as many recorders would.
type world struct {
	state   session.State
	now     time.Time
	policy  session.Policy
	revoked map[string]bool
	n       int
}

func newWorld(t *rapid.T) *world {
	return &world{
		now: nine, revoked: map[string]bool{},
		policy: session.Policy{
			MaxSessions: rapid.IntRange(0, 4).Draw(t, "max sessions"),
			IdleTimeout: time.Duration(rapid.IntRange(0, 2).Draw(t, "idle hours")) * time.Hour,
		},
	}
}

func (w *world) ending() session.Ending {
	w.n++
	return session.Ending{Tenant: "shop", User: "ada", Now: w.now, CommandID: fmt.Sprintf("c%d", w.n)}
}

func (w *world) command(t *rapid.T) session.Command {
	w.now = w.now.Add(time.Duration(rapid.IntRange(0, 90).Draw(t, "minutes")) * time.Minute)
	id := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f", "g", "h"}).Draw(t, "session")
	e := w.ending()
	switch rapid.IntRange(0, 8).Draw(t, "command") {
	case 0:
		return session.EndOne{Ending: e, Session: id}
	case 1:
		return session.EndAll{Ending: e}
	case 2:
		return session.EndOthers{Ending: e, Keep: id}
	case 3:
		return session.EndIdle{Ending: e, Session: id, Timeout: time.Hour}
	case 4, 5:
		return session.Refresh{
			Key: key(id), ID: e.CommandID, Now: w.now, Policy: w.policy, CommandID: e.CommandID,
			Generation: rapid.Uint64Range(0, 3).Draw(t, "generation"), Foreign: rapid.Bool().Draw(t, "foreign"),
		}
	default:
		c := session.Login{Key: key(id), ID: e.CommandID, Now: w.now, Policy: w.policy, CommandID: e.CommandID}
		c.Expires = w.now.Add(time.Duration(rapid.IntRange(1, 240).Draw(t, "lives")) * time.Minute)
		return c
	}
}

// give carries a command out and remembers who was ever revoked.
func (w *world) give(c session.Command) (session.Decision, error) {
	d, err := session.Decide(w.state, c)
	for _, e := range d.Facts {
		w.n++
		id := fmt.Sprintf("f%d", w.n)
		switch c := c.(type) {
		case session.Login:
			id = c.ID
		case session.Refresh:
			id = c.ID
		}
		w.state = session.Evolve(w.state, session.Fact{ID: id, Sequence: w.state.LastSequence + 1, Event: e})
		if r, ok := e.(events.Revoked); ok {
			w.revoked[r.Session] = true
		}
	}
	return d, err
}

func always(t *testing.T, holds func(t *rapid.T, w *world, c session.Command)) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			holds(t, w, w.command(t))
		}
	})
}

func TestARevokedSessionIsNeverActiveAgain(t *testing.T) {
	t.Parallel()
	always(t, func(t *rapid.T, w *world, c session.Command) {
		_, _ = w.give(c)
		for _, x := range w.state.Active(w.now) {
			if w.revoked[x.ID] {
				t.Fatalf("session %q lives after its revocation", x.ID)
			}
		}
	})
}

func TestTheCapIsNeverExceeded(t *testing.T) {
	t.Parallel()
	always(t, func(t *rapid.T, w *world, c session.Command) {
		_, _ = w.give(c)
		if n := len(w.state.Active(w.now)); w.policy.MaxSessions > 0 && n > w.policy.MaxSessions {
			t.Fatalf("%d sessions are active, the cap is %d", n, w.policy.MaxSessions)
		}
	})
}

func TestLogoutAllLeavesNone(t *testing.T) {
	t.Parallel()
	always(t, func(t *rapid.T, w *world, c session.Command) {
		_, err := w.give(c)
		if _, ok := c.(session.EndAll); ok && (err != nil || len(w.state.Active(w.now)) != 0) {
			t.Fatalf("%d sessions are left, error %v", len(w.state.Active(w.now)), err)
		}
	})
}

func TestLogoutOthersLeavesExactlyTheOne(t *testing.T) {
	t.Parallel()
	always(t, func(t *rapid.T, w *world, c session.Command) {
		_, err := w.give(c)
		others, ok := c.(session.EndOthers)
		if !ok || err != nil {
			return
		}
		if left := w.state.Active(w.now); len(left) != 1 || left[0].ID != others.Keep {
			t.Fatalf("left are %+v, want only %q", left, others.Keep)
		}
	})
}

func TestGivingACommandAgainChangesNothing(t *testing.T) {
	t.Parallel()
	always(t, func(t *rapid.T, w *world, c session.Command) {
		first, err := w.give(c)
		if err != nil || first.Refusal != nil {
			return
		}
		before := w.state
		again, err := w.give(c)
		if login, ok := c.(session.Login); ok && w.revoked[login.Session] {
			return // it ended at once under a cap that its own expiry undercuts
		}
		if err != nil || len(again.Facts) != 0 {
			t.Fatalf("again: %d facts, error %v", len(again.Facts), err)
		}
		if diff := cmp.Diff(first.Ended, again.Ended); diff != "" && !isLogin(c) {
			t.Fatalf("another answer (-first +again):\n%s", diff)
		}
		if diff := cmp.Diff(before, w.state, cmp.AllowUnexported(session.State{})); diff != "" {
			t.Fatal(diff)
		}
	})
}

// isLogin: a repeated login no longer says whom it displaced.
func isLogin(c session.Command) bool {
	_, ok := c.(session.Login)
	return ok
}

func TestASnapshotAndTheRestIsTheWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		var facts []session.Fact
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			d, _ := w.give(w.command(t))
			first := w.state.LastSequence - uint64(len(d.Facts)) + 1
			for i, e := range d.Facts {
				facts = append(facts, session.Fact{ID: strconv.FormatUint(first+uint64(i), 10), Sequence: first + uint64(i), Event: e})
			}
		}
		cut := rapid.IntRange(0, len(facts)).Draw(t, "cut")
		whole := session.Evolve(session.State{}, facts...)
		halves := session.Evolve(session.Evolve(session.State{}, facts[:cut]...), facts[max(0, cut-2):]...)
		if diff := cmp.Diff(whole, halves, cmp.AllowUnexported(session.State{})); diff != "" {
			t.Fatal(diff)
		}
	})
}
