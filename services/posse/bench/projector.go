package bench

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/activesessions/memstore"
	"github.com/posse-pos/posse/pkg/activesessions/pgstore"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/services/projector"
)

const (
	projected      = 100_000 // logins, and touches of the same sessions
	projectedUsers = 20_000
	bareBatch      = 2000
)

// measureProjector fills a log once and folds it again and again.
func measureProjector(ctx context.Context, r *run) error {
	rig, err := newRig(ctx, r.Dir)
	if err != nil {
		return err
	}
	defer rig.close()
	facts := projectedLogins()
	if err := appendAll(ctx, rig, facts); err != nil {
		return err
	}
	touches := touchesOf(facts)
	if err := rig.log.Touch(ctx, touches); err != nil {
		return err
	}
	r.section("projector into memory, 100,000 logins, against a bare ordered consumer")
	if err := r.compare(ctx, r.intoMemory(rig), r.bareConsumer(rig), "≥ 0.50"); err != nil {
		return err
	}
	return r.intoPostgres(ctx, rig, touches)
}

func projectedLogins() []events.Envelope { return loginsOf(projected) }

// loginsOf returns so many logins, of as many users as there are or projectedUsers.
func loginsOf(n int) []events.Envelope {
	facts := make([]events.Envelope, n)
	start := time.Now().Add(-time.Hour)
	for i := range facts {
		facts[i] = loginOf(i, history{}.user(i%projectedUsers), start.Add(time.Duration(i)*time.Millisecond))
	}
	return facts
}

// appendAll appends each user's logins as one batch.
func appendAll(ctx context.Context, r *rig, facts []events.Envelope) error {
	return shared(min(projectedUsers, len(facts)), 16, func(user int) error {
		var batch []events.Envelope
		for i := user; i < len(facts); i += projectedUsers {
			batch = append(batch, facts[i])
		}
		_, err := r.log.Append(ctx, batch, nil)
		return err
	})
}

func touchesOf(logins []events.Envelope) []events.Envelope {
	touches := make([]events.Envelope, len(logins))
	for i, login := range logins {
		touches[i] = touchOf(login.Event.SessionKey(), login.Time.Add(time.Minute))
	}
	return touches
}

func (r *run) intoMemory(rig *rig) workload {
	return workload{"projector into memory", func(ctx context.Context) (func(context.Context) (int, error), func(), error) {
		return func(ctx context.Context) (int, error) {
			return projected, rig.fold(ctx, memstore.New(memstore.Config{}))
		}, func() {}, ctx.Err()
	}}
}

// fold runs a projector until the store shows every login.
func (r *rig) fold(ctx context.Context, store interface {
	activesessions.Reader
	activesessions.Writer
},
) error {
	stop, err := r.project(ctx, store)
	if err != nil {
		return err
	}
	defer stop()
	return r.settled(ctx, store)
}

func (r *run) bareConsumer(rig *rig) workload {
	return workload{"bare ordered consumer", func(ctx context.Context) (func(context.Context) (int, error), func(), error) {
		work := func(ctx context.Context) (int, error) {
			return projected, consumed(ctx, rig.conn.JetStream(), projected)
		}
		return work, func() {}, ctx.Err()
	}}
}

// intoPostgres folds logins and then touches into a new schema each round, in
// turn with the bare statements.
func (r *run) intoPostgres(ctx context.Context, rig *rig, touches []events.Envelope) error {
	if err := r.needPostgres(); err != nil {
		return err
	}
	pool, err := pgxpool.New(ctx, r.Postgres)
	if err != nil {
		return err
	}
	defer pool.Close()
	var got, most struct{ logins, touches []float64 }
	var limit *bare
	for range r.Rounds {
		if err := r.postgresRound(ctx, rig, &got.logins, &got.touches); err != nil {
			return err
		}
		if limit == nil {
			if limit, err = newBare(ctx, pool, "bench"); err != nil {
				return err
			}
		}
		if err := limit.round(ctx, touches, &most.logins, &most.touches); err != nil {
			return err
		}
		if _, err := pool.Exec(ctx, "DROP SCHEMA bench CASCADE"); err != nil {
			return err
		}
	}
	r.section("projector into PostgreSQL, 100,000 logins, batches of up to 2,000; bare: same rows and indexes")
	r.rate("bare unnest upserts", median(most.logins))
	r.rate("projector, from the log", median(got.logins))
	r.ratio(median(got.logins), median(most.logins), "≥ 0.70")
	r.section("projector into PostgreSQL, 100,000 touches")
	r.rate("bare unnest updates", median(most.touches))
	r.rate("projector, from the log", median(got.touches))
	r.ratio(median(got.touches), median(most.touches), "≥ 0.50")
	return nil
}

// postgresRound lets the logins in before the touches, by a follower for each.
func (r *run) postgresRound(ctx context.Context, rig *rig, logins, touches *[]float64) error {
	store, err := pgstore.Open(ctx, pgstore.Config{URL: r.Postgres, Schema: "bench", Logger: quiet})
	if err != nil {
		return err
	}
	defer store.Close()
	for _, stream := range []struct {
		name  string
		rates *[]float64
	}{{events.StreamSessions, logins}, {events.StreamTouches, touches}} {
		start := time.Now()
		if err := rig.foldStream(ctx, store, stream.name); err != nil {
			return err
		}
		*stream.rates = append(*stream.rates, projected/time.Since(start).Seconds())
	}
	return nil
}

// foldStream runs a projector that is shown one stream only, until the store has
// all of it.
func (r *rig) foldStream(ctx context.Context, store *pgstore.Store, stream string) error {
	p, err := projector.New(projector.Config{Log: oneStream{r.log, stream}, Store: store, MaxBatch: bareBatch, Logger: quiet})
	if err != nil {
		return err
	}
	defer inBackground(ctx, p.Run)()
	state, err := r.log.State(ctx, stream)
	if err != nil {
		return err
	}
	return ready(ctx, func() error {
		position, err := store.Checkpoint(ctx, stream)
		if err == nil && position.Sequence < state.Last {
			err = eventlog.ErrUnavailable
		}
		return err
	})
}

// oneStream is a log of which the others stand still.
type oneStream struct {
	projector.Log

	stream string
}

func (o oneStream) Follow(ctx context.Context, config eventlog.FollowConfig, handle eventlog.Handler) error {
	if config.Stream == o.stream {
		return o.Log.Follow(ctx, config, handle)
	}
	<-ctx.Done()
	return nil
}
