package pgstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/posse-pos/posse/pkg/activesessions/internal/pagetoken"
)

// everybody walks the list until the page is full.
func (l *listing) everybody(ctx context.Context, tx pgx.Tx) ([]entry, error) {
	statements := &pgx.Batch{}
	l.queueTotals(statements, totalsSQL)
	c := l.collector(usersSQL)
	err := c.collect(ctx, tx, statements)
	return c.entries, err
}

func (l *listing) queueTotals(statements *pgx.Batch, sql string, more ...any) {
	arguments := append([]any{toText(l.query.Tenant), l.horizon, l.now}, more...)
	statements.Queue(sql, arguments...).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&l.page.Total, &l.page.Sessions)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil // a tenant without sessions
		}
		return err
	})
}

// collector fills a page by a statement that continues where it stopped: some of
// the users that it finds have no session left.
type collector struct {
	*listing
	sql     string
	at      int64 // the moment of the list
	more    []any // arguments that follow tenant, moment, room, place and user
	entries []entry
	room    int // one more than the page has
	after   pagetoken.Token
	read    int // of the last statement
}

func (l *listing) collector(sql string, more ...any) *collector {
	more = append([]any{int64(l.token.Version)}, more...)
	return &collector{listing: l, sql: sql, at: l.now, more: more, room: l.query.Size() + 1, after: l.token}
}

// collect sends the first statement along with others.
func (c *collector) collect(ctx context.Context, tx pgx.Tx, statements *pgx.Batch) error {
	for {
		c.queue(statements)
		if err := tx.SendBatch(ctx, statements).Close(); err != nil {
			return err
		}
		if len(c.entries) >= c.room || c.read < c.room {
			return nil
		}
		statements = &pgx.Batch{}
	}
}

func (c *collector) queue(statements *pgx.Batch) {
	arguments := append([]any{
		toText(c.query.Tenant), c.at, c.room, c.after.Place, toText(c.after.User),
	}, c.more...)
	statements.Queue(c.sql, arguments...).Query(func(found pgx.Rows) error {
		var e entry
		c.read = 0
		_, err := pgx.ForEachRow(found, e.targets(), func() error {
			c.read++
			c.after.Place, c.after.User = *e.place, fromText(*e.id)
			if *e.sessions > 0 {
				c.entries = append(c.entries, e)
			}
			return nil
		})
		return err
	})
}

// narrowed is a statement with conditions in the place of comments.
type narrowed struct {
	sql       string
	arguments []any
}

// by replaces a comment by a condition on a value, which stands at its %s.
func (n *narrowed) by(comment, condition, value string) {
	n.arguments = append(n.arguments, value)
	n.sql = strings.ReplaceAll(n.sql, "/* "+comment+" */", fmt.Sprintf(condition, fmt.Sprintf("$%d", len(n.arguments))))
}
