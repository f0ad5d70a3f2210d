package pgtest

import (
	"bytes"
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Dump returns every row of every table of a database as text.
func Dump(ctx context.Context, database string) ([]byte, error) {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(ctx) }()
	found, err := conn.Query(ctx, `
		SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`)
	if err != nil {
		return nil, err
	}
	tables, err := pgx.CollectRows(found, pgx.RowToStructByPos[struct{ Schema, Name string }])
	if err != nil {
		return nil, err
	}
	var dump bytes.Buffer
	for _, table := range tables {
		name := pgx.Identifier{table.Schema, table.Name}.Sanitize()
		if _, err := conn.PgConn().CopyTo(ctx, &dump, "COPY "+name+" TO STDOUT"); err != nil {
			return nil, fmt.Errorf("pgtest: table %s: %w", name, err)
		}
	}
	return dump.Bytes(), nil
}
