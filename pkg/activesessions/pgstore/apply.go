package pgstore

import (
	"context"
	_ "embed" // the statements
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/activesessions/internal/order"
	"github.com/posse-pos/posse/pkg/eventlog"
)

var (
	//go:embed sql/upsert.sql
	upsertSQL string
	//go:embed sql/name.sql
	nameSQL string
	//go:embed sql/touch.sql
	touchSQL string
	//go:embed sql/expire.sql
	expireSQL string
	//go:embed sql/place.sql
	placeSQL string
)

// settleEvery is how far the horizon may fall behind before a batch takes the
// time to move it.
const settleEvery = time.Second

var errBatch = errors.New("pgstore: batch does not go forward in one stream")

// Apply implements activesessions.Writer.
func (s *Store) Apply(ctx context.Context, batch activesessions.Batch) ([]activesessions.UserRef, error) {
	if batch.To.Stream != batch.From.Stream || batch.To.Sequence < batch.From.Sequence && !batch.StartsOver() {
		return nil, fmt.Errorf("%w: from %+v to %+v", errBatch, batch.From, batch.To)
	}
	devices, err := s.devicesOf(ctx, &batch)
	if err != nil {
		return nil, err
	}
	facts := fold(batch.Facts, devices)
	var changed []activesessions.UserRef
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		w, err := s.begin(ctx, tx, &batch, facts.tenants)
		if err != nil {
			return err
		}
		changed, err = w.write(ctx, facts)
		return err
	})
	if err != nil {
		return nil, wrap("apply", err)
	}
	s.applied(ctx, &batch)
	if len(facts.forgotten) > 0 {
		s.resample(ctx)
	}
	return changed, nil
}

// wrap names what failed, but leaves the port's errors as they are.
func wrap(what string, err error) error {
	if err == nil || errors.Is(err, activesessions.ErrFenced) || errors.Is(err, ErrRebuilding) {
		return err
	}
	return fmt.Errorf("pgstore: %s: %w", what, err)
}

// applied does what follows a commit and cannot fail it.
func (s *Store) applied(ctx context.Context, batch *activesessions.Batch) {
	for hash, d := range batch.Devices {
		s.devices.Add(hash, d)
	}
	if batch.To.Stream == events.StreamSessions {
		s.waiters.advance(batch.To.Sequence)
	}
	s.analyze(ctx, len(batch.Facts))
}

// writing is a transaction that writes, with the state that it locked: an update
// of the state comes first.
type writing struct {
	tx      pgx.Tx
	now     int64
	version int64            // of this write
	horizon int64            // after this write
	users   map[string]int64 // listed users of the tenants in it
	// forgotten is the greatest sequence at which any user was forgotten before.
	forgotten uint64
}

func (w *writing) scanState(row pgx.Row) error { return row.Scan(&w.version, &w.horizon, &w.forgotten) }

const lockSQL = `UPDATE state SET version = version + 1, as_of = greatest(as_of, $1) RETURNING version, horizon, forgotten`

// begin locks the state, moves the position, keeps the devices and learns what
// the statements that follow need to know, in one round trip.
func (s *Store) begin(ctx context.Context, tx pgx.Tx, batch *activesessions.Batch, tenants []string) (*writing, error) {
	w := &writing{tx: tx, now: millis(s.now()), users: map[string]int64{}}
	statements := &pgx.Batch{}
	statements.Queue(lockSQL, asOf(batch)).QueryRow(w.scanState)
	moved := movePosition(statements, batch.From, batch.To)
	statements.Queue("SELECT tenant, users FROM tenants WHERE tenant = ANY($1)", toTexts(tenants)).Query(func(found pgx.Rows) error {
		var tenant string
		var users int64
		_, err := pgx.ForEachRow(found, []any{&tenant, &users}, func() error {
			w.users[fromText(tenant)] = users
			return nil
		})
		return err
	})
	if err := learn(statements, batch.Devices); err != nil {
		return nil, err
	}
	if err := tx.SendBatch(ctx, statements).Close(); err != nil {
		return nil, err
	}
	if !*moved {
		return nil, fmt.Errorf("%w: %s does not stand at %d, which the batch continues",
			activesessions.ErrFenced, batch.From.Stream, batch.From.Sequence)
	}
	err := w.settle(ctx, w.now-order.Lag.Milliseconds(), settleEvery)
	return w, err
}

const (
	startSQL = `
		INSERT INTO positions AS p (stream, sequence, message_id, created_ns) VALUES ($1, $2, $3, $4)
		ON CONFLICT (stream) DO UPDATE
		SET sequence = excluded.sequence, message_id = excluded.message_id, created_ns = excluded.created_ns
		WHERE p.sequence = 0`
	continueSQL = `
		UPDATE positions SET sequence = $2, message_id = $3, created_ns = $4
		WHERE stream = $1 AND sequence = $5 AND message_id = $6 AND created_ns = $7`
)

// movePosition queues the fence: nothing moves unless the stream stands at from.
func movePosition(statements *pgx.Batch, from, to eventlog.Position) *bool {
	sql, arguments := startSQL, []any{toText(to.Stream), int64(to.Sequence), toText(to.ID), nanos(to.Created)}
	if from.Sequence > 0 {
		sql, arguments = continueSQL, append(arguments, int64(from.Sequence), toText(from.ID), nanos(from.Created))
	}
	moved := new(bool)
	statements.Queue(sql, arguments...).Exec(func(tag pgconn.CommandTag) error {
		*moved = tag.RowsAffected() == 1
		return nil
	})
	return moved
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromNanos(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

// settle moves the horizon, if it would move by enough, and takes what expired
// out of the summaries. The horizon never goes back, whatever the clock does.
func (w *writing) settle(ctx context.Context, horizon int64, enough time.Duration) error {
	if horizon-w.horizon < enough.Milliseconds() {
		return nil
	}
	found, err := w.tx.Query(ctx, expireSQL, w.horizon, horizon)
	if err != nil {
		return err
	}
	users, err := pgx.CollectRows(found, pgx.RowToStructByPos[userRow])
	if err != nil {
		return err
	}
	w.horizon = horizon
	if _, err := w.tx.Exec(ctx, "UPDATE state SET horizon = $1", horizon); err != nil {
		return err
	}
	return w.place(ctx, users)
}

// userRow names a user, in the form of the database.
type userRow struct{ Tenant, User string }

// place moves users down in the list who lost a session.
func (w *writing) place(ctx context.Context, users []userRow) error {
	if len(users) == 0 {
		return nil
	}
	tenants, ids := make([]string, len(users)), make([]string, len(users))
	for i, u := range users {
		tenants[i], ids[i] = u.Tenant, u.User
	}
	_, err := w.tx.Exec(ctx, placeSQL, tenants, ids, w.horizon, w.version, w.now)
	return err
}

// asOf is when the log was known to end where the batch does, or 0.
func asOf(batch *activesessions.Batch) int64 {
	if n := len(batch.Facts); n > 0 && batch.To.Stream == events.StreamSessions {
		return millis(batch.Facts[n-1].Time)
	}
	return 0
}
