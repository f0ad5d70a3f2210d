package pgstore

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/pgtest"
)

func openAt(t *testing.T, url string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{URL: url})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// A read model that was filled before filters had their index is listed by it.
func TestUsersOfAnOlderReadModelAreFound(t *testing.T) {
	t.Parallel()
	url, now := pgtest.New(t), time.Now()
	s := openAt(t, url)
	from := eventlog.Position{Stream: events.StreamSessions}
	batch := activesessions.Batch{From: from, To: from}
	for i, user := range []string{"ana", "gone", "ben"} {
		batch.To.Sequence++
		batch.Facts = append(batch.Facts, eventlog.Recorded{Stream: from.Stream, Sequence: batch.To.Sequence, Envelope: events.Envelope{
			Event: events.LoggedIn{
				Key:            events.Key{Tenant: "t", User: user, Session: user},
				EventTimestamp: events.TimestampOf(now) + events.Timestamp(i), Expires: events.TimestampOf(now.Add(time.Hour)),
				Personal: events.LoginPersonal{Username: user},
			},
		}})
	}
	batch.To.Sequence++
	batch.Facts = append(batch.Facts, eventlog.Recorded{Stream: from.Stream, Sequence: batch.To.Sequence, Envelope: events.Envelope{
		Event: events.Revoked{Key: events.Key{Tenant: "t", User: "gone", Session: "gone"}, EventTimestamp: events.TimestampOf(now)},
	}})
	if _, err := s.Apply(t.Context(), batch); err != nil {
		t.Fatalf("apply: %v", err)
	}
	downTo(t, s, 2)
	page, err := openAt(t, url).Users(t.Context(), activesessions.UsersQuery{Tenant: "t", Filter: "n", Now: now.Add(time.Second)})
	if err != nil {
		t.Fatalf("users: %v", err)
	}
	found := make([]string, 0, len(page.Users))
	for _, u := range page.Users {
		found = append(found, u.ID)
	}
	if !slices.Equal(found, []string{"ben", "ana"}) || page.Total != 2 {
		t.Errorf("found %v of %d, want ben and ana", found, page.Total)
	}
}

// A read model that an older version left is rebuilt as any other.
func TestAnOlderReadModelIsRebuilt(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s := openAt(t, url)
	downTo(t, s, 4)
	next, err := OpenRebuild(t.Context(), RebuildConfig{Config: Config{URL: url}})
	if err != nil {
		t.Fatalf("open a rebuild: %v", err)
	}
	defer next.Close()
	if _, err := next.Replace(t.Context(), func(context.Context, map[string]uint64) error { return nil }); err != nil {
		t.Fatalf("replace: %v", err)
	}
	if _, err := openAt(t, url).Freshness(t.Context()); err != nil {
		t.Errorf("the new read model: %v", err)
	}
}

// downTo takes the tables back to an older version.
func downTo(t *testing.T, s *Store, version int64) {
	t.Helper()
	db := stdlib.OpenDB(*s.pool.Config().ConnConfig)
	t.Cleanup(func() { _ = db.Close() })
	provider, err := newProvider(db, s.schema)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.DownTo(t.Context(), version); err != nil {
		t.Fatalf("down to %d: %v", version, err)
	}
}
