package pgstore

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// SearchNearby makes the store answer filters in every way that it has, on lists
// of a few dozen users.
func (s *Store) SearchNearby() {
	s.searches, s.matchesThen = []searching{{walk: 12, matches: 5}, {walk: 25}}, 3
}

// Holds names the tables in which a text stands anywhere, in any case.
func (s *Store) Holds(text string) []string {
	ctx := context.Background()
	found, err := s.pool.Query(ctx, "SELECT tablename FROM pg_tables WHERE schemaname = $1", s.schema)
	if err != nil {
		return []string{err.Error()}
	}
	tables, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		return []string{err.Error()}
	}
	var holding []string
	for _, table := range tables {
		var rows int
		err := s.pool.QueryRow(ctx, "SELECT count(*) FROM "+pgx.Identifier{table}.Sanitize()+" t WHERE t::text ILIKE $1", likePattern(text)).Scan(&rows)
		switch {
		case err != nil:
			holding = append(holding, err.Error())
		case rows > 0:
			holding = append(holding, fmt.Sprintf("%d rows of %s", rows, table))
		}
	}
	return holding
}

// Analyze takes samples as autovacuum does.
func (s *Store) Analyze(ctx context.Context) error {
	_, err := s.pool.Exec(ctx, "ANALYZE")
	return err
}

// Sampled names the columns of which the statistics have a text, in any case.
func (s *Store) Sampled(ctx context.Context, text string) ([]string, error) {
	found, err := s.pool.Query(ctx, `SELECT tablename || '.' || attname FROM pg_stats
		WHERE schemaname = $1 AND concat(most_common_vals::text, histogram_bounds::text, most_common_elems::text) ILIKE $2`,
		s.schema, likePattern(text))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, pgx.RowTo[string])
}
