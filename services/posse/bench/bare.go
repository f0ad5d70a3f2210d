package bench

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/posse-pos/posse/events"
)

// The bare table holds what a login says of a session, under the same key.
const (
	bareDrop = `DROP TABLE IF EXISTS bare`
	bareMake = `CREATE TABLE bare (
		tenant text, user_id text, session text, username text, display_name text, device_label text,
		user_agent text, platform text, app_version text, build text, ip text,
		created bigint, expires bigint, last_active bigint, login_id text, login_sequence bigint,
		PRIMARY KEY (tenant, user_id, session)) WITH (fillfactor = 85)`
	bareUpsert = `INSERT INTO bare
		SELECT tenant, user_id, session, username, display_name, device_label, user_agent, platform, app_version, build,
			ip, created, expires, last_active, login_id, login_sequence FROM unnest(
		$1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
		$11::text[], $12::bigint[], $13::bigint[], $14::bigint[], $15::text[], $16::bigint[])
		AS login (tenant, user_id, session, username, display_name, device_label, user_agent, platform, app_version, build,
			ip, created, expires, last_active, login_id, login_sequence)
		ON CONFLICT (tenant, user_id, session) DO UPDATE SET last_active = excluded.last_active`
	bareTouch = `UPDATE bare SET last_active = t.last_active, ip = t.ip
		FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[]) AS t (tenant, user_id, session, ip, last_active)
		WHERE bare.tenant = t.tenant AND bare.user_id = t.user_id AND bare.session = t.session`
)

// bareRound writes the rows as fast as one connection takes them.
func bareRound(ctx context.Context, pool *pgxpool.Pool, logins, touches []events.Envelope, loginRates, touchRates *[]float64) error {
	for _, statement := range []string{bareDrop, bareMake} {
		if _, err := pool.Exec(ctx, statement); err != nil {
			return err
		}
	}
	if err := bareBatches(ctx, pool, bareUpsert, logins, loginArguments, loginRates); err != nil {
		return err
	}
	return bareBatches(ctx, pool, bareTouch, touches, touchArguments, touchRates)
}

func bareBatches(
	ctx context.Context, pool *pgxpool.Pool, sql string,
	facts []events.Envelope, arguments func([]events.Envelope, int) []any, rates *[]float64,
) error {
	var took time.Duration
	for i := 0; i < len(facts); i += bareBatch {
		values := arguments(facts[i:min(i+bareBatch, len(facts))], i)
		start := time.Now()
		if _, err := pool.Exec(ctx, sql, values...); err != nil {
			return err
		}
		took += time.Since(start)
		if i == 0 {
			if _, err := pool.Exec(ctx, "ANALYZE bare"); err != nil {
				return err
			}
		}
	}
	*rates = append(*rates, float64(len(facts))/took.Seconds())
	return nil
}

// column collects one value of each fact.
func column[V any](facts []events.Envelope, value func(int, events.Event) V) []V {
	values := make([]V, len(facts))
	for i, fact := range facts {
		values[i] = value(i, fact.Event)
	}
	return values
}

func loginArguments(facts []events.Envelope, first int) []any {
	text := func(value func(events.LoggedIn) string) []string {
		return column(facts, func(_ int, e events.Event) string { login, _ := e.(events.LoggedIn); return value(login) })
	}
	number := func(value func(events.LoggedIn) events.Timestamp) []int64 {
		return column(facts, func(_ int, e events.Event) int64 { login, _ := e.(events.LoggedIn); return int64(value(login)) })
	}
	return []any{
		text(func(l events.LoggedIn) string { return l.Tenant }),
		text(func(l events.LoggedIn) string { return l.User }),
		text(func(l events.LoggedIn) string { return l.Session }),
		text(func(l events.LoggedIn) string { return l.Personal.Username }),
		text(func(l events.LoggedIn) string { return l.Personal.DisplayName }),
		text(func(l events.LoggedIn) string { return l.Personal.DeviceLabel }),
		text(func(l events.LoggedIn) string { return l.Personal.UserAgent }),
		text(func(l events.LoggedIn) string { return l.Platform }),
		text(func(l events.LoggedIn) string { return l.AppVersion }),
		text(func(l events.LoggedIn) string { return l.Build }),
		text(func(l events.LoggedIn) string { return l.Personal.IP }),
		number(func(l events.LoggedIn) events.Timestamp { return l.Created }),
		number(func(l events.LoggedIn) events.Timestamp { return l.Expires }),
		number(func(l events.LoggedIn) events.Timestamp { return l.EventTimestamp }),
		column(facts, func(i int, _ events.Event) string { return facts[i].ID }),
		column(facts, func(i int, _ events.Event) int64 { return int64(first + i + 1) }),
	}
}

func touchArguments(facts []events.Envelope, _ int) []any {
	key := func(part func(events.Key) string) []string {
		return column(facts, func(_ int, e events.Event) string { return part(e.SessionKey()) })
	}
	return []any{
		key(func(k events.Key) string { return k.Tenant }), key(func(k events.Key) string { return k.User }),
		key(func(k events.Key) string { return k.Session }),
		column(facts, func(_ int, e events.Event) string { touch, _ := e.(events.Touched); return touch.Personal.IP }),
		column(facts, func(_ int, e events.Event) int64 { return int64(e.Occurred()) }),
	}
}
