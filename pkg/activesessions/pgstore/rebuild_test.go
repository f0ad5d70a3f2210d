package pgstore_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/activesessions/pgstore"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/pgtest"
)

func openRebuild(t *testing.T, url string, keepOld bool) *pgstore.Rebuild {
	t.Helper()
	next, err := pgstore.OpenRebuild(t.Context(), pgstore.RebuildConfig{Config: pgstore.Config{URL: url}, KeepOld: keepOld})
	if err != nil {
		t.Fatalf("open a rebuild: %v", err)
	}
	t.Cleanup(next.Close)
	return next
}

// advance moves the position of a store from one sequence to another.
func advance(ctx context.Context, s activesessions.Writer, from, to uint64) error {
	at := func(sequence uint64) eventlog.Position {
		if sequence == 0 {
			return eventlog.Position{Stream: events.StreamSessions}
		}
		return eventlog.Position{Stream: events.StreamSessions, Sequence: sequence, ID: "id", Created: time.Unix(1, 0).UTC()}
	}
	_, err := s.Apply(ctx, activesessions.Batch{From: at(from), To: at(to)})
	return err
}

func standsAt(t *testing.T, s activesessions.Writer, want uint64) {
	t.Helper()
	if got, err := s.Checkpoint(t.Context(), events.StreamSessions); err != nil || got.Sequence != want {
		t.Errorf("stands at %d, %v; want %d", got.Sequence, err, want)
	}
}

func schemas(t *testing.T, url string) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	found, err := conn.Query(t.Context(), "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'posse%' ORDER BY 1")
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func ready(context.Context, map[string]uint64) error { return nil }

// Stores that were open before write and read the new tables, which alone are left. A
// writer that comes in between waits, and then writes the new ones or not at all.
func TestReplace(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	// They have prepared what they are going to ask: preparing takes locks as well.
	live, other := open(t, pgstore.Config{URL: url, MaxConns: 1}), open(t, pgstore.Config{URL: url, MaxConns: 1})
	next := openRebuild(t, url, false)
	if err := errors.Join(advance(t.Context(), live, 0, 3), advance(t.Context(), live, 3, 4), advance(t.Context(), other, 4, 5),
		advance(t.Context(), next, 0, 7)); err != nil {
		t.Fatal(err)
	}
	standsAt(t, live, 5)
	reader := open(t, pgstore.Config{URL: url})
	var group sync.WaitGroup
	_, err := next.Replace(t.Context(), func(ctx context.Context, shown map[string]uint64) error {
		if shown[events.StreamSessions] != 5 {
			t.Errorf("what serves shows %v", shown)
		}
		if _, err := reader.Freshness(ctx); err != nil {
			t.Errorf("nobody can read: %v", err)
		}
		group.Go(func() {
			if err := advance(ctx, live, 5, 6); !errors.Is(err, activesessions.ErrFenced) {
				t.Errorf("a batch that continues the old tables: %v", err)
			}
		})
		group.Go(func() {
			if err := advance(ctx, other, 7, 8); err != nil {
				t.Errorf("a batch that continues the new tables: %v", err)
			}
		})
		return untilWaiting(ctx, url, 2)
	})
	group.Wait()
	if err != nil {
		t.Fatalf("replace: %v", err)
	}
	standsAt(t, live, 8)
	if got := schemas(t, url); len(got) != 1 || got[0] != "posse" || next.Kept != "" {
		t.Errorf("there are the schemas %q, kept %q", got, next.Kept)
	}
	standsAt(t, open(t, pgstore.Config{URL: url}), 8)
}

// untilWaiting returns when so many sessions of the database wait for a lock.
func untilWaiting(ctx context.Context, url string, want int) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for waiting := 0; waiting < want; {
		err := conn.QueryRow(ctx, `SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
			WHERE NOT granted AND datname = current_database()`).Scan(&waiting)
		if err != nil {
			return err
		}
	}
	return nil
}

// Whatever stops a rebuild in the middle leaves what serves as it was.
func TestReplaceIsAllOrNothing(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	live, next := open(t, pgstore.Config{URL: url}), openRebuild(t, url, true)
	if err := errors.Join(advance(t.Context(), live, 0, 5), advance(t.Context(), next, 0, 7)); err != nil {
		t.Fatal(err)
	}
	notYet := errors.New("not yet")
	if _, err := next.Replace(t.Context(), func(context.Context, map[string]uint64) error { return notYet }); !errors.Is(err, notYet) {
		t.Errorf("replace: %v, want what ready said", err)
	}
	if err := advance(t.Context(), live, 5, 6); err != nil {
		t.Errorf("the old tables cannot be written: %v", err)
	}

	reader, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close(context.Background()) }()
	long, err := reader.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := long.Exec(t.Context(), "SELECT FROM posse.sessions"); err != nil {
		t.Fatal(err)
	}
	if _, err := next.Replace(t.Context(), ready); !errors.Is(err, activesessions.ErrBusy) {
		t.Errorf("replace under a long read: %v, want it busy", err)
	}
	standsAt(t, live, 6)
	if err := long.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}

	if _, err := next.Replace(t.Context(), ready); err != nil {
		t.Fatalf("replace: %v", err)
	}
	standsAt(t, live, 7)
	if got := schemas(t, url); len(got) != 2 || got[0] != "posse" || got[1] != next.Kept || !strings.HasPrefix(next.Kept, "posse_old_") {
		t.Errorf("there are the schemas %q, kept %q", got, next.Kept)
	}
}

// Somebody's view of the old tables is not dropped with them.
func TestReplaceSparesWhatIsNotOurs(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	live := open(t, pgstore.Config{URL: url})
	execute(t, url, "CREATE VIEW public.everybody AS SELECT username FROM posse.users")
	next := openRebuild(t, url, false)
	if err := errors.Join(advance(t.Context(), live, 0, 5), advance(t.Context(), next, 0, 7)); err != nil {
		t.Fatal(err)
	}
	if _, err := next.Replace(t.Context(), ready); err == nil || !strings.Contains(err.Error(), "--keep-old") ||
		!strings.Contains(err.Error(), "view everybody depends on") || errors.Is(err, activesessions.ErrBusy) {
		t.Errorf("replace: %v, want the way out", err)
	}
	standsAt(t, live, 5)
	next.Close()
	next = openRebuild(t, url, true)
	if _, err := next.Replace(t.Context(), ready); err != nil || !next.Resumed {
		t.Fatalf("replace and keep: %v", err)
	}
	standsAt(t, live, 7)
	execute(t, url, "SELECT username FROM public.everybody")
}

// An older version made an extension in the schema. Others may use it since.
func TestReplaceKeepsExtensions(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	open(t, pgstore.Config{URL: url})
	execute(t, url, "SELECT 1 / count(*) FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace WHERE nspname = 'posse'",
		"CREATE TABLE public.words (word text)", "CREATE INDEX ON public.words USING gin (word posse.gin_trgm_ops)")
	next := openRebuild(t, url, false)
	if _, err := next.Replace(t.Context(), ready); err != nil {
		t.Fatalf("replace: %v", err)
	}
	execute(t, url, "SELECT posse.similarity('one', 'two')", "SELECT 1 / count(*) FROM pg_indexes WHERE tablename = 'words'")
}

func TestOneRebuildAtATime(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	config := pgstore.RebuildConfig{Config: pgstore.Config{URL: url}}
	first := openRebuild(t, url, false)
	if _, err := pgstore.OpenRebuild(t.Context(), config); !errors.Is(err, pgstore.ErrRebuilding) {
		t.Errorf("a second rebuild: %v", err)
	}
	if _, err := pgstore.Abandon(t.Context(), config.Config); !errors.Is(err, pgstore.ErrRebuilding) {
		t.Errorf("abandon while it runs: %v", err)
	}
	if err := advance(t.Context(), first, 0, 7); err != nil {
		t.Fatal(err)
	}
	first.Close()
	second := openRebuild(t, url, false)
	if !second.Resumed {
		t.Error("the second rebuild does not go on with the first")
	}
	standsAt(t, second, 7)
	second.Close()
	if dropped, err := pgstore.Abandon(t.Context(), config.Config); err != nil || !dropped {
		t.Errorf("abandoned %v, %v", dropped, err)
	}
	if dropped, err := pgstore.Abandon(t.Context(), config.Config); err != nil || dropped {
		t.Errorf("abandoned again: %v, %v", dropped, err)
	}
	if got := schemas(t, url); len(got) != 1 {
		t.Errorf("there are the schemas %q", got)
	}
}

// What would stop it at its end stops it before it begins.
func TestRebuildIsRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	database, parameters, _ := strings.Cut(url, "?")
	role := "narrow_" + database[strings.LastIndex(database, "/")+1:]
	execute(t, url, "CREATE ROLE "+role, "CREATE SCHEMA posse AUTHORIZATION "+role)
	t.Cleanup(func() { execute(t, url, "DROP OWNED BY "+role, "DROP ROLE "+role) })
	narrow := pgstore.RebuildConfig{Config: pgstore.Config{URL: database + "?role=" + role + "&" + parameters}}
	if _, err := pgstore.OpenRebuild(t.Context(), narrow); !errors.Is(err, pgstore.ErrPrivileges) {
		t.Errorf("by a user who may not create schemas: %v", err)
	}
	execute(t, url, "GRANT CREATE ON DATABASE "+database[strings.LastIndex(database, "/")+1:]+" TO "+role)
	next, err := pgstore.OpenRebuild(t.Context(), narrow)
	if err != nil {
		t.Fatalf("by one who may: %v", err)
	}
	defer next.Close()
	if _, err := next.Replace(t.Context(), ready); err != nil {
		t.Errorf("replace by one who may: %v", err)
	}
	next.Close()
	execute(t, url, "INSERT INTO posse.migrations (version_id, is_applied) VALUES (99999, true)")
	if _, err := pgstore.OpenRebuild(t.Context(), narrow); !errors.Is(err, pgstore.ErrNewer) {
		t.Errorf("of tables from the future: %v", err)
	}
}
