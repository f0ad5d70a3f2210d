package pgstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"log/slog"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

func migrate(ctx context.Context, config *pgx.ConnConfig, schema string, logger *slog.Logger) (err error) {
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()
	provider, err := newProvider(db, schema)
	if err != nil {
		return err
	}
	if err := (schemaLock{schema}).prepare(ctx, db); err != nil {
		return err
	}
	done, err := provider.Up(ctx)
	for _, result := range done {
		logger.InfoContext(ctx, "read model migrated", "schema", schema, "migration", result.Source.Path, "took", result.Duration)
	}
	return err
}

func newProvider(db *sql.DB, schema string) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithSessionLocker(schemaLock{schema}), goose.WithTableName("migrations"), goose.WithDisableGlobalRegistry(true))
}

// newestMigration is the version that migrate brings tables to.
func newestMigration() (int64, error) {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return 0, err
	}
	return goose.NumericComponent(slices.Max(files))
}

// schemaLock keeps migrations of one schema to one process at a time. It waits in
// the database, so nobody waits longer than needed. Under the lock it makes the
// schema.
type schemaLock struct{ schema string }

func (l schemaLock) key() int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte("posse:" + l.schema)) // never fails
	return int64(h.Sum64())
}

// prepare makes the schema before goose looks for its table there, which it does
// without the lock: the table would land in the next schema of the search path.
func (l schemaLock) prepare(ctx context.Context, db *sql.DB) (err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := l.SessionLock(ctx, conn); err != nil {
		return err
	}
	return l.SessionUnlock(ctx, conn)
}

// SessionLock implements lock.SessionLocker.
func (l schemaLock) SessionLock(ctx context.Context, conn *sql.Conn) error {
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", l.key()); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	var exists bool
	row := conn.QueryRowContext(ctx, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", l.schema)
	if err := row.Scan(&exists); err != nil {
		return err
	}
	if exists {
		return nil
	}
	_, err := conn.ExecContext(ctx, "CREATE SCHEMA "+pgx.Identifier{l.schema}.Sanitize())
	return err
}

// SessionUnlock implements lock.SessionLocker.
func (l schemaLock) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", l.key())
	return err
}
