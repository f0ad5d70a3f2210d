package pgstore

import (
	"context"
	_ "embed" // the statement
	"time"

	"github.com/jackc/pgx/v5"
)

//go:embed sql/sweep.sql
var sweepSQL string

// sweepBatch is how many sessions one transaction of a sweep forgets, so that
// the projector never waits for long.
const sweepBatch = 1000

// Users whose last session was forgotten go too.
const sweepUsersSQL = `
	WITH gone AS (
		SELECT DISTINCT tenant, user_id
		FROM unnest($1::text[], $2::text[]) AS n (tenant, user_id)
		WHERE NOT EXISTS (SELECT FROM sessions s WHERE s.tenant = n.tenant AND s.user_id = n.user_id)
	),
	unplaced AS (
		DELETE FROM places p USING gone WHERE p.tenant = gone.tenant AND p.user_id = gone.user_id
	),
	remembered AS (
		DELETE FROM forgotten f USING gone WHERE f.tenant = gone.tenant AND f.user_id = gone.user_id
	)
	DELETE FROM users u USING gone WHERE u.tenant = gone.tenant AND u.user_id = gone.user_id`

// Sweep implements activesessions.Writer. It works in bounded batches; what was
// forgotten when the context ends stays forgotten.
func (s *Store) Sweep(ctx context.Context, endedBefore time.Time) (int, error) {
	if now := s.now(); endedBefore.After(now) {
		endedBefore = now
	}
	total := 0
	for {
		n, err := s.sweepOnce(ctx, millis(endedBefore))
		total += n
		if err != nil || n < sweepBatch {
			return total, wrap("sweep", err)
		}
	}
}

func (s *Store) sweepOnce(ctx context.Context, before int64) (n int, err error) {
	err = s.locked(ctx, 0, func(w *writing) error {
		// What the summaries still count must not be deleted.
		if err := w.settle(ctx, before, time.Millisecond); err != nil {
			return err
		}
		found, err := w.tx.Query(ctx, sweepSQL, before, sweepBatch)
		if err != nil {
			return err
		}
		users, err := pgx.CollectRows(found, pgx.RowToStructByPos[userRow])
		if err != nil {
			return err
		}
		n = len(users)
		tenants, ids := make([]string, n), make([]string, n)
		for i, u := range users {
			tenants[i], ids[i] = u.Tenant, u.User
		}
		_, err = w.tx.Exec(ctx, sweepUsersSQL, tenants, ids)
		return err
	})
	return n, err
}
