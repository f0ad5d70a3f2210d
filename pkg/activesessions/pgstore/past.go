package pgstore

import (
	"context"
	_ "embed" // the statements

	"github.com/jackc/pgx/v5"
)

var (
	//go:embed sql/classes.sql
	classesSQL string
	//go:embed sql/active_then.sql
	activeThenSQL string
	//go:embed sql/active_behind.sql
	activeBehindSQL string
	//go:embed sql/active_page.sql
	activePageSQL string
	//go:embed sql/walk_then.sql
	walkThenSQL string
	//go:embed sql/count_then.sql
	countThenSQL string
	//go:embed sql/matching_then.sql
	matchingThenSQL string
)

// then answers from rows of sessions instead of summaries. With a bound for the
// counts it walks the sign-ins back from the moment until the page is full, and
// counts as far as the bound; or it finds the users whom a filter means and looks at
// each, if they are few. Else it reads all sessions that were active then, but no
// others.
func (l *listing) then(ctx context.Context, tx pgx.Tx) ([]entry, error) {
	if l.query.At.IsZero() || l.query.User != "" || l.query.CountAtMost <= 0 {
		return l.activeThen(ctx, tx)
	}
	if l.filter == "" {
		return l.walkThen(ctx, tx)
	}
	if entries, found, err := l.lookUpThen(ctx, tx); err != nil || found {
		return entries, err
	}
	return l.activeThen(ctx, tx)
}

// matchesThen is how many users a filter may mean for each to be looked at. It is what
// takes about as long as the rest of the answer.
const matchesThen = 1000

// lookUpThen finds the matches by the index. It is false if they are too many.
func (l *listing) lookUpThen(ctx context.Context, tx pgx.Tx) ([]entry, bool, error) {
	entries, err := l.pageOf(ctx, tx, matchingThenSQL, []any{
		toText(l.query.Tenant), millis(l.query.At), l.query.Size() + 1, l.token.Place, toText(l.token.User),
		grams(l.filter), likePattern(l.filter), l.store.matchesThen + 1,
	})
	looked, users := l.page.Sessions, l.page.Total
	if err != nil || looked > l.store.matchesThen {
		return nil, false, err
	}
	statements := &pgx.Batch{}
	l.queueCountThen(statements, l.query.CountAtMost+1)
	err = tx.SendBatch(ctx, statements).Close()
	l.page.Total = users
	return entries, true, err
}

// walkThen counts and walks in one round trip. It looks at more sessions until it has
// counted as many users as the query wants to know of, or all of them. The first look
// is at a quarter more, since some of so few sessions are of one user; then it is
// enough as a rule.
func (l *listing) walkThen(ctx context.Context, tx pgx.Tx) ([]entry, error) {
	c := l.collector("WITH " + classesSQL + walkThenSQL)
	c.at, c.more = millis(l.query.At), nil
	statements, looked := &pgx.Batch{}, l.query.CountAtMost+l.query.CountAtMost/4+1
	l.queueCountThen(statements, looked)
	if err := c.collect(ctx, tx, statements); err != nil {
		return nil, err
	}
	for l.page.Sessions == looked && l.page.Total <= l.query.CountAtMost {
		statements, looked = &pgx.Batch{}, 4*looked
		l.queueCountThen(statements, looked)
		if err := tx.SendBatch(ctx, statements).Close(); err != nil {
			return nil, err
		}
	}
	return c.entries, nil
}

// queueCountThen counts users and sessions among so many sessions.
func (l *listing) queueCountThen(statements *pgx.Batch, looked int) {
	statements.Queue("WITH "+classesSQL+countThenSQL, toText(l.query.Tenant), millis(l.query.At), looked).
		QueryRow(func(row pgx.Row) error { return row.Scan(&l.page.Total, &l.page.Sessions) })
}

func (l *listing) activeThen(ctx context.Context, tx pgx.Tx) ([]entry, error) {
	sql, at, user := "WITH "+classesSQL+activeThenSQL, l.query.At, "AND s.user_id = %s"
	if at.IsZero() {
		sql, at, user = activeBehindSQL, l.query.Now, "AND user_id = %s"
	}
	n := narrowed{sql + activePageSQL, []any{
		toText(l.query.Tenant), millis(at), l.query.Size() + 1, l.token.Place, toText(l.token.User),
	}}
	if l.filter != "" {
		n.by("filter", "AND u.search LIKE %s", likePattern(l.filter))
	}
	if l.query.User != "" {
		n.by("user", user, toText(l.query.User))
	}
	return l.pageOf(ctx, tx, n.sql, n.arguments)
}
