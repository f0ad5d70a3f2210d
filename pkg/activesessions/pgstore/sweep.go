package pgstore

import (
	"context"
	_ "embed" // the statements
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/posse-pos/posse/pkg/activesessions"
)

var (
	//go:embed sql/ages.sql
	agesSQL string
	//go:embed sql/old.sql
	oldSQL string
	//go:embed sql/sweep.sql
	sweepSQL string
)

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

// Old implements activesessions.Writer.
func (s *Store) Old(ctx context.Context, before func(tenant string) time.Time) ([]activesessions.Old, error) {
	found, err := s.pool.Query(ctx, "SELECT tenant FROM tenants")
	if err != nil {
		return nil, wrap("old sessions", err)
	}
	tenants, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		return nil, wrap("old sessions", err)
	}
	moments, befores := make(map[string]time.Time, len(tenants)), make([]int64, len(tenants))
	for i, tenant := range tenants {
		moments[tenant] = s.over(before(fromText(tenant)))
		befores[i] = millis(moments[tenant])
	}
	found, err = s.pool.Query(ctx, "WITH "+agesSQL+oldSQL, tenants, befores)
	if err != nil {
		return nil, wrap("old sessions", err)
	}
	old, err := pgx.CollectRows(found, func(row pgx.CollectableRow) (activesessions.Old, error) {
		var o activesessions.Old
		err := row.Scan(&o.Tenant, &o.Sessions)
		o.Tenant, o.Before = fromText(o.Tenant), moments[o.Tenant]
		return o, err
	})
	return old, wrap("old sessions", err)
}

// over is a moment, but none to come: what is open then may end before.
func (s *Store) over(moment time.Time) time.Time {
	if now := s.now(); moment.After(now) {
		return now
	}
	return moment
}

// Sweep implements activesessions.Writer. It works in bounded batches; what was
// forgotten when the context ends stays forgotten.
func (s *Store) Sweep(ctx context.Context, tenant string, before time.Time) (int, error) {
	total, at := 0, millis(s.over(before))
	for {
		n, err := s.sweepOnce(ctx, toText(tenant), at)
		total += n
		if err != nil || n < sweepBatch {
			return total, wrap("sweep", err)
		}
	}
}

func (s *Store) sweepOnce(ctx context.Context, tenant string, before int64) (n int, err error) {
	err = s.locked(ctx, 0, func(w *writing) error {
		// What the summaries still count must not be deleted.
		if err := w.settle(ctx, before, time.Millisecond); err != nil {
			return err
		}
		found, err := w.tx.Query(ctx, "WITH "+agesSQL+","+sweepSQL, tenant, before, sweepBatch)
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
