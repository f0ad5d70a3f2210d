package pgstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// What serves is what has the name. Replace renames two schemas in one transaction, so
// at any moment one of them serves, and nobody has to be told: every statement says a
// table's name, and PostgreSQL looks it up again, also for prepared statements, when a
// schema got another one.
//
// A statement, and a transaction of several, must not see both. So for the moment of
// the renaming nobody has a lock on any of the tables: who comes then waits for the
// first table that it names, and finds the new one. Locks are taken in steps, of which
// only the last stops readers, for a quarter of a second each if they cannot be had:
//
//  1. SHARE UPDATE EXCLUSIVE on all: ends autovacuum, which would hold up step 3.
//  2. EXCLUSIVE on state: ends and stops writers. The new tables catch up with what
//     the old ones show, and then get no more.
//  3. ACCESS EXCLUSIVE on all: waits for readers, and makes new ones wait.
//
// Who waits that long for a lock that somebody else has lets go of all of them.
const (
	vacuumPatience = "SET LOCAL lock_timeout = '10s'"
	writerPatience = "SET LOCAL lock_timeout = '2s'"
	readerPatience = "SET LOCAL lock_timeout = '250ms'; SET LOCAL statement_timeout = '500ms'"
	noPatience     = "SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0"
	// A machine that vanishes in between holds up writers for so long.
	vanished = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = '15s'"
)

// Replace implements activesessions.Replacement. What served before is dropped in the
// same transaction, or kept under another name.
func (r *Rebuild) Replace(
	ctx context.Context, ready func(ctx context.Context, shown map[string]uint64) error,
) (tenants []string, err error) {
	err = pgx.BeginFunc(ctx, r.conn, func(tx pgx.Tx) error {
		shown, err := r.stopWriters(ctx, tx)
		if err != nil {
			return err
		}
		if err := ready(ctx, shown); err != nil {
			return err
		}
		if err := r.stopReaders(ctx, tx); err != nil {
			return err
		}
		tenants, err = r.tenants(ctx, tx)
		if err != nil {
			return err
		}
		return r.rename(ctx, tx)
	})
	return tenants, wrap("replace", busy(ctx, err))
}

// run runs statements that take no argument.
func run(ctx context.Context, tx pgx.Tx, statements ...string) error {
	for _, statement := range statements {
		// The simple protocol takes several in one, and prepares none of them.
		if _, err := tx.Exec(ctx, statement, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
	}
	return nil
}

// stopWriters returns what the read model that serves shows, by stream.
func (r *Rebuild) stopWriters(ctx context.Context, tx pgx.Tx) (map[string]uint64, error) {
	err := run(ctx, tx, vanished, vacuumPatience,
		fmt.Sprintf("SELECT pg_advisory_xact_lock(%d)", schemaLock{r.live}.key()), // nobody migrates
		"LOCK TABLE "+allOf(r.live)+" IN SHARE UPDATE EXCLUSIVE MODE",
		writerPatience,
		"LOCK TABLE "+qualified(r.live, "state")+" IN EXCLUSIVE MODE")
	if err != nil {
		return nil, err
	}
	found, err := tx.Query(ctx, "SELECT stream, sequence FROM "+qualified(r.live, "positions"), pgx.QueryExecModeExec)
	if err != nil {
		return nil, err
	}
	shown := map[string]uint64{}
	var stream string
	var sequence int64
	_, err = pgx.ForEachRow(found, []any{&stream, &sequence}, func() error {
		shown[fromText(stream)] = uint64(sequence)
		return nil
	})
	return shown, err
}

func (r *Rebuild) stopReaders(ctx context.Context, tx pgx.Tx) error {
	return run(ctx, tx, readerPatience, "LOCK TABLE "+allOf(r.live)+" IN ACCESS EXCLUSIVE MODE", noPatience)
}

func (r *Rebuild) tenants(ctx context.Context, tx pgx.Tx) ([]string, error) {
	found, err := tx.Query(ctx, "SELECT tenant FROM "+qualified(r.schema, "tenants"), pgx.QueryExecModeExec)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, func(row pgx.CollectableRow) (string, error) {
		var tenant string
		err := row.Scan(&tenant)
		return fromText(tenant), err
	})
}

func (r *Rebuild) rename(ctx context.Context, tx pgx.Tx) error {
	old := r.live + "_old_" + r.now().UTC().Format("20060102t150405")
	if err := run(ctx, tx,
		"ALTER SCHEMA "+quoted(r.live)+" RENAME TO "+quoted(old),
		"ALTER SCHEMA "+quoted(r.schema)+" RENAME TO "+quoted(r.live)); err != nil {
		return err
	}
	if err := moveExtensions(ctx, tx, old, r.live); err != nil {
		return err
	}
	if r.keepOld {
		r.Kept = old
		return nil
	}
	if err := drop(ctx, tx, old); err != nil {
		detail := ""
		if failure := (*pgconn.PgError)(nil); errors.As(err, &failure) {
			detail = failure.Detail // which names what is in the way
		}
		return fmt.Errorf("the old tables cannot be dropped, so they go on serving; with --keep-old they are left: %w: %s", err, detail)
	}
	return nil
}

// moveExtensions moves extensions out of a schema that goes: an older version made one
// there, and others may have come to use it.
func moveExtensions(ctx context.Context, tx pgx.Tx, from, to string) error {
	found, err := tx.Query(ctx, `SELECT e.extname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
		WHERE n.nspname = $1`, pgx.QueryExecModeExec, from)
	if err != nil {
		return err
	}
	extensions, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, extension := range extensions {
		if err := run(ctx, tx, "ALTER EXTENSION "+quoted(extension)+" SET SCHEMA "+quoted(to)); err != nil {
			return err
		}
	}
	return nil
}

// drop drops a schema and what posse made in it. It fails if there is more, or if
// something elsewhere depends on it.
func drop(ctx context.Context, tx pgx.Tx, schema string) error {
	ours := make([]string, len(functions))
	for i, function := range functions {
		ours[i] = quoted(schema) + "." + function
	}
	return run(ctx, tx,
		"DROP TABLE IF EXISTS "+allOf(schema),
		"DROP FUNCTION IF EXISTS "+strings.Join(ours, ", "),
		"DROP SCHEMA "+quoted(schema))
}
