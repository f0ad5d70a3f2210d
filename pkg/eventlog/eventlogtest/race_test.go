package eventlogtest_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/eventlog/eventlogtest"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/natstest"
)

// forgetful is a log that takes expectations and does not look at them.
type forgetful struct{ eventlog.Log }

func (f forgetful) Append(ctx context.Context, facts []events.Envelope, _ *eventlog.Expectation) (uint64, error) {
	return f.Log.Append(ctx, facts, nil)
}

// TestRaceFindsALogThatForgetsExpectations shows that the suite can fail. The
// race is real, so it may be run a few times before somebody loses it.
func TestRaceFindsALogThatForgetsExpectations(t *testing.T) {
	t.Parallel()
	const attempts = 20
	for range attempts {
		violations, err := eventlogtest.Race(t.Context(), forgetful{open(t)})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range violations {
			if strings.Contains(v, "survived Logout All") {
				t.Logf("%d violations found, such as: %s", len(violations), v)
				return
			}
		}
	}
	t.Fatalf("%d races on a log without expectations broke nothing", attempts)
}

func open(t *testing.T) eventlog.Log {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	conn, err := bus.Connect(t.Context(), bus.Config{URL: natstest.Start(t).URL(), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	log, err := natslog.New(t.Context(), conn, natslog.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func TestCheckLogoutAll(t *testing.T) {
	t.Parallel()
	login := func(session string) events.Event {
		return events.LoggedIn{Key: events.Key{Tenant: "t", User: "u", Session: session}}
	}
	end := func(session, command string) events.Event {
		return events.Revoked{
			Key: events.Key{Tenant: "t", User: "u", Session: session}, Cause: events.CauseLogoutAll, CommandID: command,
		}
	}
	for name, c := range map[string]struct {
		history []events.Event
		want    int
	}{
		"all ended":           {[]events.Event{login("a"), login("b"), end("a", "1"), end("b", "1"), login("c")}, 0},
		"one forgotten":       {[]events.Event{login("a"), login("b"), end("a", "1"), login("c")}, 1},
		"login in the middle": {[]events.Event{login("a"), end("a", "1"), login("b"), end("c", "1")}, 2},
		"ended twice":         {[]events.Event{login("a"), end("a", "1"), end("a", "2")}, 1},
	} {
		var facts []eventlog.Recorded
		for i, e := range c.history {
			facts = append(facts, eventlog.Recorded{Envelope: events.Envelope{Event: e}, Sequence: uint64(i) + 1})
		}
		if got := eventlogtest.CheckLogoutAll(facts); len(got) != c.want {
			t.Errorf("%s: %d violations, want %d: %q", name, len(got), c.want, got)
		}
	}
}
