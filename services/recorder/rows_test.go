package recorder_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/session"
	"github.com/posse-pos/posse/services/recorder"
)

// A fold that starts from the read model's rows, at whatever position they are,
// decides as one that has read everything.
func TestRowsAndTheRestAreTheWholeHistory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		log := newMemlog(func() time.Time { return nine })
		log.holding = true
		whole, now := session.State{}, nine
		cut := rapid.IntRange(0, 40).Draw(t, "cut")
		for step := range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "minutes")) * time.Minute)
			whole = give(t, log, whole, randomCommand(t, step, now), step)
			if step == cut {
				log.follow(t.Context())
			}
		}
		rows, fresh, err := log.store.History(t.Context(), "shop", "ada", now)
		if err != nil {
			t.Fatal(err)
		}
		rest, err := log.User(t.Context(), "shop", "ada", fresh.Position)
		if err != nil {
			t.Fatal(err)
		}
		half := session.Evolve(recorder.FromRows(rows, min(fresh.Position, whole.LastSequence)), asFacts(rest)...)
		if !half.Complete() {
			return // the recorder reads everything then
		}
		for _, id := range ids {
			want, known := whole.Session(id)
			if known && !want.Expires.After(now) {
				continue
			}
			got, _ := half.Session(id)
			// Only a command that is still under way asks for these two.
			ignored := cmpopts.IgnoreFields(session.Session{}, "RefreshID", "RefreshSequence")
			if diff := cmp.Diff(want, got, ignored); diff != "" {
				t.Fatalf("session %s (-whole +rows and rest):\n%s", id, diff)
			}
		}
		if half.LastSequence != whole.LastSequence {
			t.Fatalf("last sequence is %d, want %d", half.LastSequence, whole.LastSequence)
		}
	})
}

var ids = []string{"a", "b", "c", "d", "e"}

func randomCommand(t *rapid.T, step int, now time.Time) session.Command {
	key := events.Key{Tenant: "shop", User: "ada", Session: rapid.SampledFrom(ids).Draw(t, "session")}
	id := fmt.Sprintf("c%d", step)
	ending := session.Ending{Tenant: "shop", User: "ada", Now: now, CommandID: id, By: events.InitiatedByAdmin}
	switch rapid.IntRange(0, 6).Draw(t, "command") {
	case 0:
		return session.EndOne{Ending: ending, Session: key.Session}
	case 1:
		return session.EndOthers{Ending: ending, Keep: key.Session}
	case 2, 3:
		return session.Refresh{
			Key: key, ID: id, Now: now, Foreign: true, CommandID: id,
			Expires:  now.Add(time.Duration(rapid.IntRange(1, 300).Draw(t, "lives")) * time.Minute),
			Personal: events.DevicePersonal{UserAgent: rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "agent")},
		}
	default:
		return session.Login{
			Key: key, ID: id, Now: now, CommandID: id,
			Expires:  now.Add(time.Duration(rapid.IntRange(1, 300).Draw(t, "lives")) * time.Minute),
			Personal: events.LoginPersonal{UserAgent: "x"}, Policy: session.Policy{MaxSessions: 3},
		}
	}
}

func give(t *rapid.T, log *memlog, state session.State, c session.Command, step int) session.State {
	d, err := session.Decide(state, c)
	if err != nil || len(d.Facts) == 0 {
		return state
	}
	envelopes := make([]events.Envelope, len(d.Facts))
	for i, e := range d.Facts {
		id := fmt.Sprintf("c%d", step)
		if _, ok := e.(events.Revoked); ok {
			id += fmt.Sprintf("-%d", i)
		}
		envelopes[i] = events.Envelope{ID: id, Source: "/test", Time: e.Occurred().Time(), Event: e}
	}
	if _, err := log.Append(t.Context(), envelopes, nil); err != nil {
		t.Fatal(err)
	}
	added, err := log.User(t.Context(), "shop", "ada", state.LastSequence)
	if err != nil {
		t.Fatal(err)
	}
	return session.Evolve(state, asFacts(added)...)
}

func asFacts(recorded []eventlog.Recorded) []session.Fact {
	facts := make([]session.Fact, len(recorded))
	for i, r := range recorded {
		facts[i] = session.Fact{ID: r.ID, Sequence: r.Sequence, Event: r.Event}
	}
	return facts
}
