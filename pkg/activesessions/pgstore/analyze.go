package pgstore

import (
	"context"
	"sync"
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
	SELECT EXISTS (
		SELECT FROM pg_class c
		JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relname = 'sessions'
			AND c.reltuples * 4 < (SELECT count(*) FROM (SELECT FROM sessions LIMIT $2) s)
	)`

func (s *Store) analyze(ctx context.Context, written int) {
	if !s.stats.due(written) {
		return
	}
	var outgrown bool
	err := s.pool.QueryRow(ctx, outgrownSQL, s.schema, s.stats.writtenSoFar()).Scan(&outgrown)
	if err == nil && outgrown {
		_, err = s.pool.Exec(ctx, "ANALYZE sessions, users, places")
	}
	if err != nil {
		s.logger.WarnContext(ctx, "read model is without statistics", "error", err)
	}
}

func (st *statistics) writtenSoFar() int {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.written
}
