package pgstore

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/pgtest"
)

var (
	pastActive = flag.Int("past-active", 100_000, "active sessions in BenchmarkPast")
	pastEnded  = flag.Int("past-ended", 1_000_000, "ended sessions in BenchmarkPast")
)

const pastMonths = 13 * 30 * 24 * time.Hour

// Active sessions began within 30 days and expire 30 days after that. Ended ones
// began at any time of 13 months: half of them were ended within a shift, others
// within days, and one in ten expired after 30 days. $1 active, $2 all, $3 now, $4 users.
const loadPastSQL = `
	INSERT INTO sessions (` + columns + `)
	SELECT 'bakery', 'user-' || lpad((n % $4)::text, 6, '0'), 'session-' || n, 'till-' || n % $4, 'Till ' || n % $4, '',
		'{}', '{}', 'WCPOS/1.8.1 (ios; build 231)', created, '192.0.2.1', created, (created), created + 2592000000,
		CASE WHEN n <= $1 THEN $3 - (random() * 300000)::bigint ELSE created + life / 2 END, 0,
		'login-' || n, (n),
		CASE WHEN n > $1 AND n % 10 > 0 THEN created + life ELSE 0 END, CASE WHEN n > $1 AND n % 10 > 0 THEN $2 + n ELSE 0 END, '{}',
		n, false
	FROM (
		SELECT n, life, CASE WHEN n <= $1 THEN $3 - (random() * 2590000000)::bigint
			ELSE $3 - 2592000000 - (random() * 31104000000)::bigint END AS created
		FROM (
			SELECT n, (60000 + random() * CASE WHEN n % 10 < 6 THEN 28800000 ELSE 604800000 END)::bigint AS life
			FROM generate_series(1, $2::bigint) n
		) l
	) s`

// Whoever is active was so since the last VACUUM: their pages have to be looked at. One
// in eight is a few on each page, which find room there (HOT).
const touchPastSQL = "UPDATE sessions SET last_active = $1 WHERE end_sequence = 0 AND expires > $1 AND login_sequence % 8 = 0"

const loadPastUsersSQL = `
	INSERT INTO users (tenant, user_id, username, display_name, avatar_url, search)
	SELECT 'bakery', 'user-' || lpad(n::text, 6, '0'), 'till-' || n, 'Till ' || n, '', 'TILL-' || n || E'\x01' || 'TILL ' || n FROM generate_series(0, $1::bigint - 1) n`

// BenchmarkPast reports how long the questions about random past moments take. The
// counts are flags, so that a larger machine can be asked for more:
// -benchtime 1000x -past-active 1000000 -past-ended 10000000.
func BenchmarkPast(b *testing.B) {
	s := openBench(b, DefaultSchema)
	now := time.Now()
	users := max(*pastActive/5, 1)
	for _, load := range []struct {
		sql       string
		arguments []any
	}{
		{loadPastSQL, []any{int64(*pastActive), int64(*pastActive + *pastEnded), millis(now), int64(users)}},
		{loadPastUsersSQL, []any{int64(users)}},
		// VACUUM marks a page as visible to all once the commits of its rows are on disk,
		// which without an fsync at each is later.
		{"CHECKPOINT", nil},
		{"VACUUM ANALYZE sessions", nil},
		{"VACUUM ANALYZE users", nil},
		{touchPastSQL, []any{millis(now)}},
	} {
		if _, err := s.pool.Exec(b.Context(), load.sql, load.arguments...); err != nil {
			b.Fatal(err)
		}
	}
	random := rand.New(rand.NewPCG(5, 6))
	moment := func() time.Time { return now.Add(-time.Duration(random.Int64N(int64(pastMonths)))) }
	question(b, "users", func(ctx context.Context, _ int) error {
		_, err := s.Users(ctx, activesessions.UsersQuery{Tenant: "bakery", At: moment(), Now: now, CountAtMost: 1000})
		return err
	})
	question(b, "users-today", func(ctx context.Context, i int) error {
		at := now.Add(-time.Duration(i) * time.Minute)
		_, err := s.Users(ctx, activesessions.UsersQuery{Tenant: "bakery", At: at, Now: now, CountAtMost: 1000})
		return err
	})
	question(b, "filtered", func(ctx context.Context, i int) error {
		_, err := s.Users(ctx, activesessions.UsersQuery{
			Tenant: "bakery", Filter: fmt.Sprint("till ", i*7919%users), At: moment(), Now: now, CountAtMost: 1000,
		})
		return err
	})
	question(b, "next-pages", func(ctx context.Context, _ int) error {
		query := activesessions.UsersQuery{Tenant: "bakery", At: moment(), Now: now, CountAtMost: 1000}
		page, err := s.Users(ctx, query)
		if err != nil {
			return err
		}
		query.PageToken = page.NextToken
		_, err = s.Users(ctx, query)
		return err
	})
	question(b, "sessions", func(ctx context.Context, i int) error {
		_, _, err := s.Sessions(ctx, activesessions.SessionsQuery{
			Tenant: "bakery", User: fmt.Sprintf("user-%06d", i*7919%users), At: moment(), Now: now,
		})
		return err
	})
	question(b, "session", func(ctx context.Context, _ int) error {
		_, _, err := s.Session(ctx, "bakery", fmt.Sprint("session-", 1+random.IntN(*pastActive+*pastEnded)))
		return err
	})
}

// What was not active at a moment is not read, however much of it there is.
func TestAMomentReadsWhatWasActive(t *testing.T) {
	t.Parallel()
	s, now := openAt(t, pgtest.New(t)), time.Now()
	for _, load := range []struct {
		sql       string
		arguments []any
	}{
		{loadPastSQL, []any{int64(1_000), int64(30_000), millis(now), int64(500)}},
		{loadPastUsersSQL, []any{int64(500)}},
		{"VACUUM ANALYZE sessions", nil},
	} {
		if _, err := s.pool.Exec(t.Context(), load.sql, load.arguments...); err != nil {
			t.Fatal(err)
		}
	}
	at := millis(now.Add(-pastMonths / 2))
	for name, question := range map[string]struct {
		sql       string
		arguments []any
	}{
		"walk":  {walkThenSQL, []any{"bakery", at, 51, int64(1) << 60, ""}},
		"count": {countThenSQL, []any{"bakery", at, 1001}},
	} {
		rows, err := s.pool.Query(t.Context(), "EXPLAIN (COSTS off) WITH "+classesSQL+question.sql, question.arguments...)
		if err != nil {
			t.Fatal(err)
		}
		var plan []string
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, line)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		text := strings.Join(plan, "\n")
		if !strings.Contains(text, "sessions_then") || strings.Contains(text, "Seq Scan on sessions") {
			t.Errorf("%s is planned as\n%s", name, text)
		}
	}
}
