package pgstore

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/activesessions/internal/order"
	"github.com/posse-pos/posse/pkg/activesessions/internal/pagetoken"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// Checkpoint implements activesessions.Writer.
func (s *Store) Checkpoint(ctx context.Context, stream string) (eventlog.Position, error) {
	var sequence, created int64
	var id string
	err := s.pool.QueryRow(ctx, "SELECT sequence, message_id, created_ns FROM positions WHERE stream = $1", toText(stream)).
		Scan(&sequence, &id, &created)
	if errors.Is(err, pgx.ErrNoRows) {
		return eventlog.Position{Stream: stream}, nil
	}
	if err != nil {
		return eventlog.Position{}, wrap("checkpoint", err)
	}
	return eventlog.Position{Stream: stream, Created: fromNanos(created), Sequence: uint64(sequence), ID: fromText(id)}, nil
}

// Current implements activesessions.Writer. It is where an idle read model takes
// expired sessions out of its summaries and forgets where users stood.
func (s *Store) Current(ctx context.Context, stream string, at time.Time) error {
	asOf := int64(0)
	if stream == events.StreamSessions {
		asOf = millis(at)
	}
	return wrap("current", s.locked(ctx, asOf, func(w *writing) error {
		if s.swept.due(s.now(), time.Minute) {
			if err := w.forgetPlaces(ctx); err != nil {
				return err
			}
		}
		return w.settle(ctx, w.now-order.Lag.Milliseconds(), settleEvery)
	}))
}

// locked runs a write that is not a batch.
func (s *Store) locked(ctx context.Context, asOf int64, write func(*writing) error) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		w := &writing{tx: tx, now: millis(s.now())}
		if err := w.scanState(tx.QueryRow(ctx, lockSQL, asOf)); err != nil {
			return err
		}
		return write(w)
	})
}

func (w *writing) forgetPlaces(ctx context.Context) error {
	_, err := w.tx.Exec(ctx, "DELETE FROM past_places WHERE left_at < $1", w.now-pagetoken.Lifetime.Milliseconds())
	return err
}

// Reset implements activesessions.Writer. Page tokens of what was are void.
func (s *Store) Reset(ctx context.Context) error {
	err := s.locked(ctx, 0, func(w *writing) error {
		_, err := w.tx.Exec(ctx, `TRUNCATE sessions, users, places, tenants, positions, devices, paging, past_places, forgotten`)
		if err != nil {
			return err
		}
		_, err = w.tx.Exec(ctx, `UPDATE state SET horizon = 0, as_of = 0, forgotten = 0,
			secret = decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex')`)
		return err
	})
	s.devices.Purge()
	s.stats.reset()
	return wrap("reset", err)
}

// freshnessColumns say, in any statement, what that statement shows.
const freshnessColumns = `
	coalesce((SELECT sequence FROM positions WHERE stream = '` + events.StreamSessions + `'), 0) AS position,
	coalesce((SELECT sequence FROM positions WHERE stream = '` + events.StreamTouches + `'), 0) AS touches,
	(SELECT as_of FROM state) AS as_of`

// scannedFreshness is freshnessColumns as they come.
type scannedFreshness struct{ position, touches, asOf int64 }

func (f *scannedFreshness) targets() []any { return []any{&f.position, &f.touches, &f.asOf} }

func (f *scannedFreshness) decode() activesessions.Freshness {
	return activesessions.Freshness{Position: uint64(f.position), Touches: uint64(f.touches), AsOf: moment(f.asOf)}
}

// Freshness implements activesessions.Reader.
func (s *Store) Freshness(ctx context.Context) (activesessions.Freshness, error) {
	var f scannedFreshness
	if err := s.pool.QueryRow(ctx, "SELECT "+freshnessColumns).Scan(f.targets()...); err != nil {
		return activesessions.Freshness{}, wrap("freshness", err)
	}
	return f.decode(), nil
}

func (s *Store) position(ctx context.Context) (uint64, error) {
	f, err := s.Freshness(ctx)
	return f.Position, err
}
