package pgstore

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/posse-pos/posse/pkg/activesessions/internal/pagetoken"
)

// collector walks the list until the page is full.
type collector struct {
	*listing
	entries []entry
	room    int // one more than the page has
	after   pagetoken.Token
	read    int // of the last statement
}

func (c *collector) done() bool { return len(c.entries) >= c.room || c.read < c.room }

func (c *collector) queue(statements *pgx.Batch) {
	n := c.narrow(usersSQL, "AND EXISTS (SELECT FROM users u WHERE u.tenant = p.tenant AND u.user_id = p.user_id AND u.search LIKE %s)",
		toText(c.query.Tenant), c.now, c.room, c.after.Place, toText(c.after.User), int64(c.after.Version))
	statements.Queue(n.sql, n.arguments...).Query(func(found pgx.Rows) error {
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

func (l *listing) narrow(sql, filter string, arguments ...any) narrowed {
	n := narrowed{sql, arguments}
	if l.filter != "" {
		n.by("filter", filter, likePattern(l.filter))
	}
	return n
}

func (l *listing) queueTotals(statements *pgx.Batch) {
	sql := totalsSQL
	if l.filter != "" {
		sql = totalsFilteredSQL
	}
	n := l.narrow(sql, "AND u.search LIKE %s", toText(l.query.Tenant), l.horizon, l.now)
	statements.Queue(n.sql, n.arguments...).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&l.page.Total, &l.page.Sessions)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil // a tenant without sessions
		}
		return err
	})
}
