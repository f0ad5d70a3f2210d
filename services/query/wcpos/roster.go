package wcpos

import (
	"context"

	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/services/query/reads"
)

// maxBatch is how many sessions are in memory at once, or those of one user if
// they have more.
const maxBatch = 2000

// roster reads who is signed in, newest activity first, a batch at a time: the
// users of a page, or as many of them as have no more than maxBatch sessions
// together.
type roster struct {
	lens *reads.Lens
	room int // users that may still be read

	queue []reads.User // of the page, and not in a batch yet
	token string       // of the next page, "" when there is none
	begun bool

	// Of the first page.
	total     int // users who are signed in
	freshness activesessions.Freshness
}

// next returns a batch, which may be empty, since people sign out between two
// reads.
func (r *roster) next(ctx context.Context) ([]user, error) {
	if len(r.queue) == 0 {
		if err := r.turn(ctx); err != nil {
			return nil, err
		}
	}
	batch := r.take()
	ids := make([]string, len(batch))
	for i := range batch {
		ids[i] = batch[i].ID
	}
	rows, _, err := r.lens.SessionsOf(ctx, ids)
	if err != nil {
		return nil, err
	}
	people := make([]user, 0, len(batch))
	for i := range batch {
		if sessions := rows[batch[i].ID]; len(sessions) > 0 {
			people = append(people, userView(&batch[i], sessions))
		}
	}
	return people, nil
}

// turn reads the next page. Everyone is counted once only.
func (r *roster) turn(ctx context.Context) error {
	query := reads.UsersQuery{PageSize: min(activesessions.MaxPageSize, r.room), PageToken: r.token}
	if r.begun {
		query.CountAtMost = 1
	}
	page, err := r.lens.Users(ctx, query)
	if err != nil {
		return err
	}
	if !r.begun {
		r.total, r.freshness, r.begun = page.Total, page.Freshness, true
	}
	r.queue, r.token = page.Users, page.NextToken
	r.room -= len(page.Users)
	return nil
}

// take takes a batch off the page: one user at least, if there is one.
func (r *roster) take() []reads.User {
	n, sessions := 0, 0
	for n < len(r.queue) {
		sessions += r.queue[n].Sessions
		if n > 0 && sessions > maxBatch {
			break
		}
		n++
	}
	batch := r.queue[:n]
	r.queue = r.queue[n:]
	return batch
}

// done reports whether there is no further batch.
func (r *roster) done() bool {
	return r.begun && len(r.queue) == 0 && (r.token == "" || r.room == 0)
}

// cut reports whether there are more users than may be read.
func (r *roster) cut() bool { return r.room == 0 && r.token != "" }
