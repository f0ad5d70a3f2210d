package pgstore_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/activesessions/pgstore"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/pgtest"
)

// The planner keeps samples of what conditions are on, and of nothing else about a
// person; those of names go with the names.
func TestStatisticsForget(t *testing.T) {
	t.Parallel()
	store, now := open(t, pgstore.Config{URL: pgtest.New(t)}), events.TimestampOf(time.Now())
	at := eventlog.Position{Stream: events.StreamSessions}
	happens := func(fact func(user string) events.Event) {
		batch := activesessions.Batch{From: at, To: at}
		for i := range 50 {
			batch.To.Sequence++
			batch.Facts = append(batch.Facts, eventlog.Recorded{
				Envelope: events.Envelope{Event: fact(fmt.Sprint("user", i))}, Stream: at.Stream, Sequence: batch.To.Sequence,
			})
		}
		if _, err := store.Apply(t.Context(), batch); err != nil {
			t.Fatalf("apply: %v", err)
		}
		at = batch.To
	}
	sampled := func() []string {
		columns, err := store.Sampled(t.Context(), "canary")
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(columns)
		return columns
	}
	happens(func(user string) events.Event {
		return events.LoggedIn{
			Key: events.Key{Tenant: "t", User: user, Session: user}, EventTimestamp: now, Expires: now + 1000,
			Personal: events.LoginPersonal{
				Username: "canary " + user, DisplayName: "canary", AvatarURL: "canary", DeviceLabel: "canary",
				UserAgent: "canary", IP: "canary", ClientHints: map[string]string{"canary": "canary"},
			},
		}
	})
	if err := store.Analyze(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := sampled(); !slices.Equal(got, []string{"places.search", "users.search"}) {
		t.Errorf("there are samples of persons in %v, want those of what filters look at", got)
	}
	happens(func(user string) events.Event { return events.Forgotten{Tenant: "t", User: user, EventTimestamp: now} })
	if got := sampled(); len(got) != 0 {
		t.Errorf("there are samples of the forgotten in %v", got)
	}
}
