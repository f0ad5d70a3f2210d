package pgstore

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/posse-pos/posse/pkg/activesessions"
)

// write joins the rows to those stored and returns the users that changed.
func (w *writing) write(ctx context.Context, facts *folded) ([]activesessions.UserRef, error) {
	if err := w.recall(ctx, facts); err != nil {
		return nil, err
	}
	facts.forget()
	forgotten, err := w.forgetNames(ctx, facts)
	if err != nil {
		return nil, err
	}
	upserts, touches := facts.split()
	changed := union(users(touches), forgotten)
	if len(touches) > 0 {
		strangers, err := w.touch(ctx, facts, touches)
		if err != nil {
			return nil, err
		}
		upserts = append(upserts, strangers...)
	}
	var blank userColumns
	if len(upserts) > 0 {
		written, err := w.upsert(ctx, facts, upserts, &blank)
		if err != nil {
			return nil, err
		}
		changed = union(changed, written)
	}
	return changed, w.forgetSessions(ctx, facts, blank)
}

func union(a, b []activesessions.UserRef) []activesessions.UserRef {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0:
		return a
	}
	seen := make(map[activesessions.UserRef]struct{}, len(a))
	for _, user := range a {
		seen[user] = struct{}{}
	}
	for _, user := range b {
		if _, ok := seen[user]; !ok {
			a = append(a, user)
		}
	}
	return a
}

// byKey orders rows like the indexes, which take neighbours faster than strays.
func byKey(a, b *activesessions.Session) int {
	return cmp.Or(strings.Compare(a.Tenant, b.Tenant), strings.Compare(a.User, b.User), strings.Compare(a.Session, b.Session))
}

// upsert returns the users whose rows changed, each once, and those of whom a row of a
// forgotten session did.
func (w *writing) upsert(
	ctx context.Context, facts *folded, sessions []*activesessions.Session, forgotten *userColumns,
) ([]activesessions.UserRef, error) {
	slices.SortFunc(sessions, byKey)
	columns := newRows(len(sessions))
	ended := map[userRow]struct{}{}
	for _, session := range sessions {
		if err := columns.add(session); err != nil {
			return nil, err
		}
		if session.End != nil {
			ended[userRow{toText(session.Tenant), toText(session.User)}] = struct{}{}
		}
	}
	changed, l := users(sessions), facts.logged()
	tenants, steps := facts.steps(w.users)
	arguments := append(columns.arguments(), l.tenant, l.user, l.login, l.nameHash, l.search,
		tenants, steps, w.horizon, w.version, w.now, len(changed))
	var count int
	var some, unnamed userColumns
	err := w.tx.QueryRow(ctx, upsertSQL, arguments...).
		Scan(&count, &some.tenants, &some.users, &unnamed.tenants, &unnamed.users, &forgotten.tenants, &forgotten.users)
	if err != nil {
		return nil, err
	}
	if count < len(changed) {
		changed = changed[:0]
		for i := range some.tenants {
			changed = append(changed, activesessions.UserRef{Tenant: fromText(some.tenants[i]), User: fromText(some.users[i])})
		}
	}
	if len(unnamed.users) > 0 {
		if _, err := w.tx.Exec(ctx, nameSQL, facts.named(unnamed.tenants, unnamed.users)...); err != nil {
			return nil, err
		}
	}
	return changed, w.place(ctx, slices.Collect(maps.Keys(ended)))
}

// touch updates the sessions that there are, and returns the touches of others.
func (w *writing) touch(ctx context.Context, facts *folded, touches []*activesessions.Session) ([]*activesessions.Session, error) {
	n := len(touches)
	tenant, user, session, ip := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	lastActive, ipAt := make([]int64, n), make([]int64, n)
	for i := range touches {
		t := touches[i]
		tenant[i], user[i], session[i], ip[i] = toText(t.Tenant), toText(t.User), toText(t.Session), toText(t.IP)
		lastActive[i], ipAt[i] = millis(t.LastActive), millis(t.IPAt)
	}
	tenants, steps := facts.steps(w.users)
	var updated int
	err := w.tx.QueryRow(ctx, touchSQL, tenant, user, session, lastActive, ip, ipAt,
		tenants, steps, w.horizon, w.version, w.now).Scan(&updated)
	if err != nil || updated == n {
		return nil, err
	}
	return w.strangers(ctx, touches, []any{tenant, user, session})
}

const strangersSQL = `
	SELECT t.number::int - 1
	FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS t (tenant, user_id, session, number)
	WHERE NOT EXISTS (
		SELECT FROM sessions s WHERE s.tenant = t.tenant AND s.user_id = t.user_id AND s.session = t.session
	)`

// strangers are the touches of sessions that are not known yet.
func (w *writing) strangers(ctx context.Context, touches []*activesessions.Session, keys []any) ([]*activesessions.Session, error) {
	found, err := w.tx.Query(ctx, strangersSQL, keys...)
	if err != nil {
		return nil, err
	}
	numbers, err := pgx.CollectRows(found, pgx.RowTo[int])
	if err != nil {
		return nil, err
	}
	strangers := make([]*activesessions.Session, len(numbers))
	for i, number := range numbers {
		strangers[i] = touches[number]
	}
	return strangers, nil
}
