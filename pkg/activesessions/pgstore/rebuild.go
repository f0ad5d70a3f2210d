package pgstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/posse-pos/posse/pkg/activesessions"
)

var (
	// ErrRebuilding says that somebody else is rebuilding this read model.
	ErrRebuilding = errors.New("pgstore: another rebuild of this read model is running")
	// ErrNewer says that the read model that serves was made by a newer version.
	ErrNewer = errors.New("pgstore: the read model that serves is of a newer version")
	// ErrPrivileges says that the database user may not rename schemas.
	ErrPrivileges = errors.New("pgstore: the database user may not rebuild")
)

// rebuildSuffix makes the schema of a rebuild out of the one that serves.
const rebuildSuffix = "_rebuild"

// tables are all that a schema has, and functions too. Those of a schema that goes are
// dropped by name, so that nothing of somebody else goes with them.
var (
	tables = []string{
		"state", "positions", "sessions", "users", "places", "tenants", "paging", "past_places", "devices", "forgotten", "migrations",
	}
	functions = []string{"grams(text)", "spans()"}
)

// Rebuild is a Store beside the one that serves, in a schema of its own, and what it
// takes to put it in the other's place. There is one at a time for a read model.
//
//	(no schema NAME_rebuild) ─ OpenRebuild ─▶ filling ─ Replace ─▶ serves, as NAME
//	          ▲                               │     ▲
//	          └─────────── Abandon ───────────┘     └─ OpenRebuild, after a crash
type Rebuild struct {
	*Store

	// Resumed says that an earlier rebuild had begun these tables.
	Resumed bool
	// Kept is the schema of what served before, after Replace; "" unless KeepOld.
	Kept string

	live    string
	keepOld bool
	conn    *pgx.Conn // holds the lock that keeps others out
}

var _ activesessions.Replacement = (*Rebuild)(nil)

// RebuildConfig says what to rebuild.
type RebuildConfig struct {
	// Config is that of the stores that serve.
	Config
	// KeepOld leaves the tables that served before in a schema with the moment in its
	// name, instead of dropping them.
	KeepOld bool
}

// OpenRebuild begins a rebuild, or goes on with one that was interrupted. The read
// model that serves is brought up to date first, as Open does. ErrRebuilding if
// another one is at work, ErrNewer if this program is too old, ErrPrivileges if the
// database user may not rename schemas.
func OpenRebuild(ctx context.Context, config RebuildConfig) (_ *Rebuild, err error) {
	config.Logger = cmp.Or(config.Logger, slog.Default())
	r := &Rebuild{live: cmp.Or(config.Schema, DefaultSchema), keepOld: config.KeepOld}
	pool, err := poolConfig(config.Config, r.live)
	if err != nil {
		return nil, err
	}
	if r.conn, err = lockRebuild(ctx, pool.ConnConfig, r.live); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = r.conn.Close(context.WithoutCancel(ctx))
		}
	}()
	if err := migrate(ctx, pool.ConnConfig, r.live, config.Logger); err != nil {
		return nil, fmt.Errorf("pgstore: migrate schema %q: %w", r.live, err)
	}
	if err := r.check(ctx); err != nil {
		return nil, err
	}
	config.Schema = r.live + rebuildSuffix
	if r.Resumed, err = schemaExists(ctx, r.conn, config.Schema); err != nil {
		return nil, wrap("rebuild", err)
	}
	r.Store, err = Open(ctx, config.Config)
	return r, err
}

// Abandon drops what an interrupted rebuild left, and returns whether there was
// anything. ErrRebuilding if it is still at work.
func Abandon(ctx context.Context, config Config) (dropped bool, err error) {
	live := cmp.Or(config.Schema, DefaultSchema)
	pool, err := poolConfig(config, live)
	if err != nil {
		return false, err
	}
	conn, err := lockRebuild(ctx, pool.ConnConfig, live)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	if dropped, err = schemaExists(ctx, conn, live+rebuildSuffix); err != nil || !dropped {
		return dropped, wrap("abandon", err)
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if err := moveExtensions(ctx, tx, live+rebuildSuffix, live); err != nil {
			return err
		}
		return drop(ctx, tx, live+rebuildSuffix)
	})
	return true, wrap("abandon", err)
}

// lockPatience lets PostgreSQL notice that a process is gone.
const lockPatience = "SET lock_timeout = '2s'"

// lockRebuild keeps rebuilds of one schema to one process at a time. The lock ends
// with the connection, however that ends.
func lockRebuild(ctx context.Context, config *pgx.ConnConfig, live string) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("pgstore: connect: %w", err)
	}
	if _, err = conn.Exec(ctx, lockPatience); err == nil {
		_, err = conn.Exec(ctx, "SELECT pg_advisory_lock($1)", schemaLock{live + rebuildSuffix + ":running"}.key())
	}
	if err = busy(ctx, err); errors.Is(err, activesessions.ErrBusy) {
		err = ErrRebuilding
	}
	if err == nil {
		_, err = conn.Exec(ctx, "RESET lock_timeout")
	}
	if err != nil {
		return nil, errors.Join(wrap("lock", err), conn.Close(context.WithoutCancel(ctx)))
	}
	return conn, nil
}

func schemaExists(ctx context.Context, conn *pgx.Conn, schema string) (exists bool, err error) {
	err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", schema).Scan(&exists)
	return exists, err
}

// check finds at the start what would stop the end.
func (r *Rebuild) check(ctx context.Context) error {
	newest, err := newestMigration()
	if err != nil {
		return wrap("rebuild", err)
	}
	var version int64
	var owns, creates bool
	err = r.conn.QueryRow(ctx, `SELECT (SELECT max(version_id) FROM `+qualified(r.live, "migrations")+`),
		(SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = $1),
		has_database_privilege(current_database(), 'CREATE')`, r.live).Scan(&version, &owns, &creates)
	switch {
	case err != nil:
		return wrap("rebuild", err)
	case version > newest:
		return fmt.Errorf("%w: it stands at migration %d, this program knows %d; rebuild with the posse that serves it",
			ErrNewer, version, newest)
	case !owns || !creates:
		return fmt.Errorf("%w: it must own the schema %q and may create schemas (GRANT CREATE ON DATABASE … TO …)", ErrPrivileges, r.live)
	}
	return nil
}

// Close ends what OpenRebuild began and lets other rebuilds in.
func (r *Rebuild) Close() {
	r.Store.Close()
	_ = r.conn.Close(context.Background())
}

// Settle implements activesessions.Replacement: the planner knows the tables, and
// an index alone answers where it can, without waiting for autovacuum.
func (r *Rebuild) Settle(ctx context.Context) error {
	_, err := r.pool.Exec(ctx, "VACUUM (ANALYZE) sessions, users, places")
	return wrap("settle", err)
}

// busy turns a lock that was not to be had into activesessions.ErrBusy.
func busy(ctx context.Context, err error) error {
	var failure *pgconn.PgError
	if ctx.Err() != nil || !errors.As(err, &failure) {
		return err
	}
	switch failure.Code {
	case "55P03", "57014", "40P01": // lock_not_available, query_canceled by a timeout, deadlock_detected
		return fmt.Errorf("%w: %w", activesessions.ErrBusy, err)
	default:
		return err
	}
}

func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }

func qualified(schema, table string) string { return pgx.Identifier{schema, table}.Sanitize() }

// allOf lists the tables of a schema for a statement.
func allOf(schema string) string {
	all := make([]string, len(tables))
	for i, table := range tables {
		all[i] = qualified(schema, table)
	}
	return strings.Join(all, ", ")
}
