package bench

import (
	"cmp"
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/posse-pos/posse/pkg/activesessions/pgstore"
	"github.com/posse-pos/posse/services/projector"
)

// rebuiltSchema serves while its rebuild is measured.
const rebuiltSchema = "bench_rebuilt"

// measureRebuild rebuilds a read model of logins again and again, in turn with the bare
// statements that insert the same rows.
func measureRebuild(ctx context.Context, r *run) error {
	if err := r.needPostgres(); err != nil {
		return err
	}
	rig, err := newRig(ctx, r.Dir)
	if err != nil {
		return err
	}
	defer rig.close()
	facts := loginsOf(cmp.Or(r.Events, projected))
	if err := appendAll(ctx, rig, facts); err != nil {
		return err
	}
	pool, err := pgxpool.New(ctx, r.Postgres)
	if err != nil {
		return err
	}
	defer pool.Close()
	var got, most []float64
	var limit *bare
	for range r.Rounds {
		rate, err := r.rebuildRound(ctx, rig)
		if err != nil {
			return err
		}
		got = append(got, rate)
		if limit == nil {
			if limit, err = newBare(ctx, pool, rebuiltSchema); err != nil {
				return err
			}
		}
		if rate, err = limit.fill(ctx, rebuiltSchema, len(facts)); err != nil {
			return err
		}
		most = append(most, rate)
		// It uses functions of the schema, which the next round could not drop.
		if _, err := pool.Exec(ctx, "DROP TABLE bare"); err != nil {
			return err
		}
	}
	r.section(fmt.Sprintf("rebuild of %s logins into PostgreSQL beside what serves; bare: same rows and indexes",
		grouped(float64(len(facts)))))
	r.rate("bare unnest upserts", median(most))
	r.rate("rebuild, from the log", median(got))
	r.ratio(median(got), median(most), "≥ 0.50")
	_, err = pool.Exec(ctx, "DROP SCHEMA "+rebuiltSchema+" CASCADE")
	return err
}

// rebuildRound returns events a second.
func (r *run) rebuildRound(ctx context.Context, rig *rig) (float64, error) {
	store, err := pgstore.OpenRebuild(ctx, pgstore.RebuildConfig{
		Config: pgstore.Config{URL: r.Postgres, Schema: rebuiltSchema, Logger: quiet},
	})
	if err != nil {
		return 0, err
	}
	defer store.Close() //nolint:contextcheck // it closes whether or not ctx has ended
	done, err := projector.Rebuild(ctx, projector.RebuildConfig{Log: rig.log, Store: store, MaxBatch: bareBatch, Logger: quiet})
	return done.Rate(), err
}
