package pgstore

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
)

// The statements below put sessions beside what the same statement shows of the
// log, so that both are of one moment. There is one row, without a session, when
// there is none.
const sessionsSQL = `SELECT position, touches, as_of, ` + columns + ` FROM (SELECT ` + freshnessColumns + `) f
	LEFT JOIN LATERAL (SELECT ` + columns + ` FROM sessions WHERE `

const (
	openSQL = sessionsSQL + `tenant = $1 AND user_id = $2 AND login_sequence > 0 AND end_sequence = 0 AND expires > $3
		ORDER BY last_active DESC, session LIMIT $4) s ON true`
	endedSQL = sessionsSQL + `tenant = $1 AND user_id = $2 AND login_sequence > 0 AND (end_sequence > 0 OR expires <= $3)
		ORDER BY CASE WHEN end_sequence > 0 THEN least(end_at, expires) ELSE expires END DESC, session LIMIT $4) s ON true`
	openThenSQL = sessionsSQL + `tenant = $1 AND user_id = $2 AND login_sequence > 0
		AND created <= $3 AND expires > $3 AND (end_sequence = 0 OR end_at > $3)
		ORDER BY least(last_active, $3) DESC, session LIMIT $4) s ON true`
	endedThenSQL = sessionsSQL + `tenant = $1 AND user_id = $2 AND login_sequence > 0
		AND created <= $3 AND (expires <= $3 OR end_sequence > 0 AND end_at <= $3)
		ORDER BY CASE WHEN end_sequence > 0 AND end_at <= $3 THEN least(end_at, expires) ELSE expires END DESC, session LIMIT $4) s ON true`
	byIDSQL = sessionsSQL + `tenant = $1 AND session = $2 AND login_sequence > 0
		ORDER BY login_sequence) s ON true`
	historySQL = sessionsSQL + `tenant = $1 AND user_id = $2 AND login_sequence > 0 AND expires > $3
		ORDER BY login_sequence) s ON true`
)

// Sessions implements activesessions.Reader.
func (s *Store) Sessions(
	ctx context.Context, query activesessions.SessionsQuery,
) ([]activesessions.Session, activesessions.Freshness, error) {
	sql, at := openSQL, query.Now
	if query.Ended {
		sql = endedSQL
	}
	if !query.At.IsZero() {
		sql, at = openThenSQL, query.At
		if query.Ended {
			sql = endedThenSQL
		}
	}
	found, fresh, err := s.read(ctx, sql, toText(query.Tenant), toText(query.User), millis(at), query.Size())
	for i := range found {
		if !query.At.IsZero() {
			found[i].AsOf(query.At)
		}
	}
	return found, fresh, wrap("sessions", err)
}

// Session implements activesessions.Reader.
func (s *Store) Session(ctx context.Context, tenant, session string) ([]activesessions.Session, activesessions.Freshness, error) {
	found, fresh, err := s.read(ctx, byIDSQL, toText(tenant), toText(session))
	if err != nil {
		return nil, fresh, wrap("session", err)
	}
	if len(found) == 0 {
		return nil, fresh, fmt.Errorf("%w: session %q", activesessions.ErrNotFound, session)
	}
	return found, fresh, nil
}

// History implements activesessions.Reader.
func (s *Store) History(
	ctx context.Context, tenant, user string, now time.Time,
) ([]activesessions.Session, activesessions.Freshness, error) {
	found, fresh, err := s.read(ctx, historySQL, toText(tenant), toText(user), millis(now))
	return found, fresh, wrap("history", err)
}

func (s *Store) read(ctx context.Context, sql string, arguments ...any) ([]activesessions.Session, activesessions.Freshness, error) {
	found, err := s.pool.Query(ctx, sql, arguments...)
	if err != nil {
		return nil, activesessions.Freshness{}, err
	}
	var fresh scannedFreshness
	var row scanned
	var sessions []activesessions.Session
	_, err = pgx.ForEachRow(found, append(fresh.targets(), row.targets()...), func() error {
		if !row.exists() {
			return nil
		}
		session, err := row.decode()
		sessions = append(sessions, session)
		return err
	})
	return sessions, fresh.decode(), err
}

// A step looks at rows in the order of the primary key, the ended ones too, so
// that none takes long.
const idleSQL = `
	SELECT user_id, session, login_sequence > 0 AND end_sequence = 0 AND expires > $4 AND last_active < $5 AS idle
	FROM sessions
	WHERE tenant = $1 AND (user_id, session) > ($2, $3)
	ORDER BY user_id, session
	LIMIT $6`

// Idle implements activesessions.Reader.
func (s *Store) Idle(
	ctx context.Context, tenant string, since, now time.Time, after events.Key, limit int,
) (idle []events.Key, next events.Key, err error) {
	if limit <= 0 {
		return nil, events.Key{}, nil
	}
	found, err := s.pool.Query(ctx, idleSQL, toText(tenant), toText(after.User), toText(after.Session), millis(now), millis(since), limit)
	if err != nil {
		return nil, events.Key{}, wrap("idle", err)
	}
	var user, session string
	var isIdle bool
	looked := 0
	_, err = pgx.ForEachRow(found, []any{&user, &session, &isIdle}, func() error {
		looked++
		next = events.Key{Tenant: tenant, User: fromText(user), Session: fromText(session)}
		if isIdle {
			idle = append(idle, next)
		}
		return nil
	})
	if looked < limit {
		next = events.Key{}
	}
	return idle, next, wrap("idle", err)
}

// Dump implements activesessions.Reader. It shows one moment, and streams.
func (s *Store) Dump(ctx context.Context, write func(line []byte) error) error {
	found, err := s.pool.Query(ctx, "SELECT "+columns+" FROM sessions ORDER BY tenant, user_id, session")
	if err != nil {
		return wrap("dump", err)
	}
	var row scanned
	_, err = pgx.ForEachRow(found, row.targets(), func() error {
		session, err := row.decode()
		if err != nil {
			return err
		}
		line, err := activesessions.DumpLine(&session)
		if err != nil {
			return err
		}
		return write(line)
	})
	return wrap("dump", err)
}
