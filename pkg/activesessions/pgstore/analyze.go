package pgstore

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"
)

const (
	firstAnalyze = 1000    // facts after which a new table gets statistics
	lastAnalyze  = 1 << 20 // after which autovacuum can be left to it
)

// statistics makes sure that a table that fills has them. Without, PostgreSQL
// plans for an empty one and reads it whole; autovacuum comes minutes later.
type statistics struct {
	mu      sync.Mutex
	written int
	next    int
}

func (st *statistics) reset() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.written, st.next = 0, 0
}

// due reports whether it is time to look, each time after eight times as many
// facts as the last.
func (st *statistics) due(written int) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.next == 0 {
		st.next = firstAnalyze
	}
	st.written += written
	if st.written < st.next || st.next > lastAnalyze {
		return false
	}
	st.next = 8 * st.written
	return true
}

// A table's statistics are fit for plans unless it grew manifold since.
const outgrownSQL = `
	SELECT c.relpages * 4 < pg_relation_size(c.oid) / current_setting('block_size')::int
	FROM pg_class c
	JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE n.nspname = $1 AND c.relname = 'sessions'`

// The writer waits for it, so it looks at the columns that conditions are on, and
// at a part of the usual sample: enough to tell a full table from an empty one.
// Autovacuum looks closer.
const (
	sampleSQL  = "SET LOCAL default_statistics_target = 10"
	analyzeSQL = `ANALYZE
		sessions (tenant, user_id, session, created, expires, stopped, span, last_active, login_sequence, end_at, end_sequence),
		users (tenant, user_id, search, listed),
		places`
)

func (s *Store) analyze(ctx context.Context, written int) {
	if !s.stats.due(written) {
		return
	}
	var outgrown bool
	err := s.pool.QueryRow(ctx, outgrownSQL, s.schema).Scan(&outgrown)
	if err == nil && outgrown {
		err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, sampleSQL); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, analyzeSQL)
			return err
		})
	}
	if err != nil {
		s.logger.WarnContext(ctx, "read model is without statistics", "error", err)
	}
}
