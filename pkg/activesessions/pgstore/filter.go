package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// A filter is answered by walking the list, which knows the order but not where
// the matches are, or from the index of what users are searched by, which knows
// the matches but not their order. The walk takes time for each place before the
// page is full, the index for each match. No statistics tell which takes longer:
// those who match may all be asleep. So both are tried in turn, each time further,
// and the answer never takes much longer than the better of them.
type searching struct {
	walk    int // places to look at
	matches int // to put in order; 0 is all
}

var searches = []searching{{walk: 600, matches: 4_000}, {walk: 5_000}}

// matching lists the users who match the filter.
func (l *listing) matching(ctx context.Context, tx pgx.Tx) ([]entry, error) {
	for _, s := range l.store.searches {
		if entries, err := l.walk(ctx, tx, s.walk); err != nil || entries != nil {
			return entries, err
		}
		if entries, found, err := l.lookUp(ctx, tx, s.matches); err != nil || found {
			return entries, err
		}
	}
	return nil, nil // the last took all matches
}

// walk fills the page from the list and counts the matches. There are no entries
// if it takes more places to fill it.
func (l *listing) walk(ctx context.Context, tx pgx.Tx, places int) ([]entry, error) {
	c := l.collector(walkSQL, likePattern(l.filter), places)
	if err := c.collect(ctx, tx, &pgx.Batch{}); err != nil || len(c.entries) < c.room {
		return nil, err
	}
	if most := l.query.CountAtMost; most > 0 && l.page.Total > most {
		return c.entries, nil // the index told
	}
	statements := &pgx.Batch{}
	l.queueTotals(statements, countSQL, likePattern(l.filter), limit(l.query.CountAtMost))
	return c.entries, tx.SendBatch(ctx, statements).Close()
}

// lookUp finds the matches by the index. It is false if there are more than are
// to be put in order.
func (l *listing) lookUp(ctx context.Context, tx pgx.Tx, matches int) ([]entry, bool, error) {
	entries, err := l.pageOf(ctx, tx, matchingSQL, []any{
		toText(l.query.Tenant), l.horizon, l.now, grams(l.filter), likePattern(l.filter), limit(matches),
		l.query.Size() + 1, l.token.Place, toText(l.token.User), int64(l.token.Version),
	})
	return entries, matches == 0 || l.page.Total <= matches, err
}

// limit is what tells a number from a greater one; 0 has none.
func limit(number int) *int {
	if number <= 0 {
		return nil
	}
	number++
	return &number
}

// mostPairs of a filter are looked up. More would find hardly fewer users; the
// pattern decides.
const mostPairs = 32

// grams are what the index knows of a filter: its pairs of neighbours, or the
// character if there is only one. It says what the function grams of the database
// says of a text.
func grams(filter string) []string {
	characters := []rune(filter)
	if len(characters) == 1 {
		return []string{filter}
	}
	pairs := make([]string, min(len(characters)-1, mostPairs))
	for i := range pairs {
		pairs[i] = string(characters[i : i+2])
	}
	return pairs
}
