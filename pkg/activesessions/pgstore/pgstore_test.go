package pgstore_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/activesessions/activesessionstest"
	"github.com/posse-pos/posse/pkg/activesessions/pgstore"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Stopping(m)) }

func TestStore(t *testing.T) {
	t.Parallel()
	activesessionstest.Run(t, func(t *testing.T, now func() time.Time) activesessionstest.Store {
		t.Helper()
		return open(t, pgstore.Config{URL: pgtest.New(t), Now: now})
	})
}

// A filter is answered by walks of several lengths and by the index. The suite's
// lists are too short for more than one of them.
func TestFilters(t *testing.T) {
	t.Parallel()
	activesessionstest.RunFilters(t, func(t *testing.T, now func() time.Time) activesessionstest.Store {
		t.Helper()
		store := open(t, pgstore.Config{URL: pgtest.New(t), Now: now})
		store.SearchNearby()
		return store
	})
}

func open(t *testing.T, config pgstore.Config) *pgstore.Store {
	t.Helper()
	store, err := pgstore.Open(t.Context(), config)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(store.Close)
	return store
}

func TestReplicasOpenAtOnce(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	var replicas errgroup.Group
	for range 5 {
		replicas.Go(func() error {
			store, err := pgstore.Open(t.Context(), pgstore.Config{URL: url, Schema: `odd "name"`})
			if err != nil {
				return err
			}
			defer store.Close()
			_, err = store.Freshness(t.Context())
			return err
		})
	}
	if err := replicas.Wait(); err != nil {
		t.Errorf("one of five replicas: %v", err)
	}
}

func TestReadModelsStandSideBySide(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	live, next := open(t, pgstore.Config{URL: url}), open(t, pgstore.Config{URL: url, Schema: "posse_next"})
	from := eventlog.Position{Stream: events.StreamSessions}
	to := eventlog.Position{Stream: events.StreamSessions, Sequence: 7, ID: "seven", Created: time.Unix(1, 2).UTC()}
	if _, err := next.Apply(t.Context(), activesessions.Batch{From: from, To: to}); err != nil {
		t.Fatalf("apply: %v", err)
	}
	for want, store := range map[uint64]*pgstore.Store{0: live, 7: next} {
		if got, err := store.Checkpoint(t.Context(), events.StreamSessions); err != nil || got.Sequence != want {
			t.Errorf("stands at %d, %v; want %d", got.Sequence, err, want)
		}
	}
}

// A database user who may not create extensions has filters all the same.
func TestWithoutTrigrams(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	database, parameters, _ := strings.Cut(url, "?")
	role := "modest_" + database[strings.LastIndex(database, "/")+1:]
	execute(t, url, "CREATE ROLE "+role, "CREATE SCHEMA posse AUTHORIZATION "+role)
	t.Cleanup(func() { execute(t, url, "DROP OWNED BY "+role, "DROP ROLE "+role) })
	store := open(t, pgstore.Config{URL: database + "?role=" + role + "&" + parameters})
	execute(t, url, "SELECT 1 / (count(*) = 0)::int FROM pg_extension WHERE extname = 'pg_trgm'") // it is refused
	login := events.LoggedIn{
		Key: events.Key{Tenant: "t", User: "u", Session: "s"}, Created: 1, Expires: 1 << 50,
		Personal: events.LoginPersonal{Username: "Zoë 100%"},
	}
	batch := activesessions.Batch{
		Facts: []eventlog.Recorded{{Envelope: events.Envelope{ID: "one", Event: login}, Stream: events.StreamSessions, Sequence: 1}},
		From:  eventlog.Position{Stream: events.StreamSessions},
		To:    eventlog.Position{Stream: events.StreamSessions, Sequence: 1, ID: "one"},
	}
	if _, err := store.Apply(t.Context(), batch); err != nil {
		t.Fatalf("apply: %v", err)
	}
	for filter, want := range map[string]int{"ZOË": 1, "0%": 1, "zo_": 0} {
		page, err := store.Users(t.Context(), activesessions.UsersQuery{Tenant: "t", Filter: filter, Now: time.Now()})
		if err != nil || page.Total != want {
			t.Errorf("filter %q finds %d, %v; want %d", filter, page.Total, err, want)
		}
	}
}

func execute(t *testing.T, url string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	for _, statement := range statements {
		if _, err := conn.Exec(context.Background(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}
