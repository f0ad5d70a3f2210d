package pgstore

import (
	"cmp"
	"context"
	_ "embed" // the statements
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/activesessions/internal/pagetoken"
)

var (
	//go:embed sql/users.sql
	usersSQL string
	//go:embed sql/totals.sql
	totalsSQL string
	//go:embed sql/count.sql
	countSQL string
	//go:embed sql/matching.sql
	matchingSQL string
	//go:embed sql/walk.sql
	walkSQL string
)

// Users implements activesessions.Reader. The list is the one that the first
// page showed: users who were active since stay where they were in it, so paging
// shows nobody twice and misses nobody who had a session throughout. On a page
// the newest activity comes first, by what is known now.
//
// For that, writers must remember where users stood. They do so while somebody
// pages: the first page that has a next leaves a note, at most one in a quarter
// of an hour for a tenant.
//
// A past moment, and a Now before the store's horizon, is answered from the
// sessions that were active then, by the newest sign-in, which nothing changes
// afterwards. But where a list has several pages, a Now before the horizon counts as
// the horizon: pages of one list may be asked for by different clocks.
func (s *Store) Users(ctx context.Context, query activesessions.UsersQuery) (activesessions.UsersPage, error) {
	l := &listing{store: s, query: &query, filter: activesessions.Fold(query.Filter), now: millis(query.Now), paging: query.PageToken != ""}
	err := l.read(ctx)
	if errors.Is(err, errBehind) {
		l.paging = true
		err = l.read(ctx)
	}
	if errors.Is(err, errUnnoted) {
		if err = s.notePaging(ctx, query.Tenant); err == nil {
			err = l.read(ctx)
		}
	}
	if errors.Is(err, activesessions.ErrPageToken) {
		return activesessions.UsersPage{}, err
	}
	return l.page, wrap("users", err)
}

// errUnnoted says that writers do not remember places for this list yet.
var errUnnoted = errors.New("paging is not noted")

// errBehind says that the list has several pages, and Now is before the horizon.
var errBehind = errors.New("the clock is behind")

// listing is one question for users, while it is answered.
type listing struct {
	store  *Store
	query  *activesessions.UsersQuery
	filter string
	now    int64
	paging bool // there are other pages

	version, horizon, paged int64
	secret                  []byte
	token                   pagetoken.Token
	page                    activesessions.UsersPage
}

// read answers from one snapshot.
func (l *listing) read(ctx context.Context) error {
	l.page = activesessions.UsersPage{}
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return pgx.BeginTxFunc(ctx, l.store.pool, options, func(tx pgx.Tx) error {
		if err := l.orient(ctx, tx); err != nil {
			return err
		}
		entries, err := l.entries(ctx, tx)
		if err != nil {
			return err
		}
		return l.fill(entries)
	})
}

const orientSQL = `SELECT ` + freshnessColumns + `, version, horizon, secret,
	coalesce((SELECT until FROM paging WHERE tenant = $1), 0) FROM state`

// orient reads what the answer depends on besides rows.
func (l *listing) orient(ctx context.Context, tx pgx.Tx) error {
	var fresh scannedFreshness
	targets := append(fresh.targets(), &l.version, &l.horizon, &l.secret, &l.paged)
	if err := tx.QueryRow(ctx, orientSQL, toText(l.query.Tenant)).Scan(targets...); err != nil {
		return err
	}
	l.page.Freshness = fresh.decode()
	if l.paging && l.query.At.IsZero() {
		l.now = max(l.now, l.horizon)
	}
	if l.query.PageToken == "" {
		l.token = pagetoken.Token{Version: uint64(l.version), Issued: l.query.Now, Place: math.MaxInt64}
		return nil
	}
	var err error
	l.token, err = pagetoken.Decode(l.secret, l.query)
	return err
}

// isCurrent reports whether the summaries answer. One user's sessions are found
// as fast by themselves.
func (l *listing) isCurrent() bool {
	return l.query.At.IsZero() && l.query.User == "" && l.now >= l.horizon
}

// entry is a user in an answer. Its columns may be NULL: there is a row of them
// when there is no user.
type entry struct {
	id, username, displayName, avatarURL *string
	place, sessions, lastActive          *int64
}

func (e *entry) targets() []any {
	return []any{&e.id, &e.username, &e.displayName, &e.avatarURL, &e.place, &e.sessions, &e.lastActive}
}

func (e *entry) decode(tenant string) activesessions.User {
	return activesessions.User{
		Tenant:      tenant,
		ID:          fromText(*e.id),
		Username:    fromText(*e.username),
		DisplayName: fromText(*e.displayName),
		AvatarURL:   fromText(*e.avatarURL),
		Sessions:    int(*e.sessions),
		LastActive:  moment(*e.lastActive),
	}
}

func (l *listing) entries(ctx context.Context, tx pgx.Tx) ([]entry, error) {
	switch {
	case !l.isCurrent():
		return l.then(ctx, tx)
	case l.filter == "":
		return l.everybody(ctx, tx)
	default:
		return l.matching(ctx, tx)
	}
}

// pageOf reads rows of entries that have the totals before them. There is one row,
// without an entry, when there is none, and no row in a tenant without sessions.
func (l *listing) pageOf(ctx context.Context, tx pgx.Tx, sql string, arguments []any) ([]entry, error) {
	found, err := tx.Query(ctx, sql, arguments...)
	if err != nil {
		return nil, err
	}
	var e entry
	var entries []entry
	_, err = pgx.ForEachRow(found, append([]any{&l.page.Total, &l.page.Sessions}, e.targets()...), func() error {
		if e.id != nil {
			entries = append(entries, e)
		}
		return nil
	})
	return entries, err
}

// fill puts entries on the page, and what continues after them into its token.
func (l *listing) fill(entries []entry) error {
	l.page.Total = l.query.Counted(l.page.Total)
	if !l.query.At.IsZero() {
		l.page.Sessions = l.query.Counted(l.page.Sessions)
	}
	if size := l.query.Size(); len(entries) > size {
		entries = entries[:size]
		if !l.paging && l.query.At.IsZero() && l.now < l.horizon {
			return errBehind
		}
		if l.isCurrent() && l.query.PageToken == "" && l.paged < l.pagedAtLeast() {
			return errUnnoted
		}
		token := l.token
		token.Place, token.User = *entries[size-1].place, fromText(*entries[size-1].id)
		l.page.NextToken = pagetoken.Encode(l.secret, l.query, token)
	}
	for i := range entries {
		l.page.Users = append(l.page.Users, entries[i].decode(l.query.Tenant))
	}
	slices.SortFunc(l.page.Users, func(a, b activesessions.User) int {
		return cmp.Or(b.LastActive.Compare(a.LastActive), strings.Compare(a.ID, b.ID))
	})
	return nil
}

// pagedAtLeast is how long places must be remembered for a token made now.
func (l *listing) pagedAtLeast() int64 { return millis(l.store.now().Add(pagetoken.Lifetime)) }

const notePagingSQL = `
	INSERT INTO paging AS p (tenant, until) VALUES ($1, $2)
	ON CONFLICT (tenant) DO UPDATE SET until = greatest(p.until, excluded.until)`

// notePaging asks writers to remember the places of a tenant's users. Sharing the
// state's lock waits for the writer that may not have seen the note; every later
// one sees it.
func (s *Store) notePaging(ctx context.Context, tenant string) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT FROM state FOR SHARE"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, notePagingSQL, toText(tenant), millis(s.now().Add(2*pagetoken.Lifetime)))
		return err
	})
}
