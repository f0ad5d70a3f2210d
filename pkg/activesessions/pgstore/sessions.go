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

// What is open now and was open at a past moment, $3 of its statement, and what
// is used most recently first.
const (
	open           = `login_sequence > 0 AND end_sequence = 0 AND expires > $3`
	openThen       = `login_sequence > 0 AND created <= $3 AND stopped > $3`
	byActivity     = ` ORDER BY last_active DESC, session`
	byActivityThen = ` ORDER BY least(last_active, $3) DESC, session`
)

const (
	openSQL  = sessionsSQL + `tenant = $1 AND user_id = $2 AND ` + open + byActivity + ` LIMIT $4) s ON true`
	endedSQL = sessionsSQL + `tenant = $1 AND user_id = $2 AND login_sequence > 0 AND (end_sequence > 0 OR expires <= $3)
		ORDER BY CASE WHEN end_sequence > 0 THEN least(end_at, expires) ELSE expires END DESC, session LIMIT $4) s ON true`
	openThenSQL  = sessionsSQL + `tenant = $1 AND user_id = $2 AND ` + openThen + byActivityThen + ` LIMIT $4) s ON true`
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
	asOfAll(found, query.At)
	return found, fresh, wrap("sessions", err)
}

// asOfAll brings sessions to a moment, unless that is now.
func asOfAll(sessions []activesessions.Session, at time.Time) {
	if at.IsZero() {
		return
	}
	for i := range sessions {
		sessions[i].AsOf(at)
	}
}

// Each user's sessions are found and cut by themselves, as openSQL finds them.
const (
	ofUsersSQL = `SELECT position, touches, as_of, ` + columns + ` FROM (SELECT ` + freshnessColumns + `) f
		LEFT JOIN (
			SELECT ` + columns + ` FROM (SELECT DISTINCT unnest($2::text[]) AS id) n
			CROSS JOIN LATERAL (SELECT ` + columns + ` FROM sessions WHERE tenant = $1 AND user_id = n.id AND `
	openOfUsersSQL     = ofUsersSQL + open + byActivity + ` LIMIT $4) s) s ON true` + byActivity
	openThenOfUsersSQL = ofUsersSQL + openThen + byActivityThen + ` LIMIT $4) s) s ON true` + byActivityThen
)

// SessionsOf implements activesessions.Reader.
func (s *Store) SessionsOf(
	ctx context.Context, query activesessions.SessionsOfQuery,
) (map[string][]activesessions.Session, activesessions.Freshness, error) {
	sql, at := openOfUsersSQL, query.Now
	if !query.At.IsZero() {
		sql, at = openThenOfUsersSQL, query.At
	}
	found, fresh, err := s.read(ctx, sql, toText(query.Tenant), toTexts(query.Users), millis(at), events.MaxActiveSessions)
	asOfAll(found, query.At)
	byUser := make(map[string][]activesessions.Session, len(query.Users))
	for _, session := range found {
		byUser[session.User] = append(byUser[session.User], session)
	}
	return byUser, fresh, wrap("sessions of users", err)
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
