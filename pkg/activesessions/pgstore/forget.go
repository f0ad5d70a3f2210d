package pgstore

import (
	"context"
	_ "embed" // the statements

	"github.com/jackc/pgx/v5"

	"github.com/posse-pos/posse/pkg/activesessions"
)

// A user is forgotten in the transaction that reads the fact: their name goes from
// users and places with what filters find it by, and every session that began before
// is read, blanked by activesessions.Session.Forget and written back. After the commit
// no statement sees what was there; the table devices has none of it, since it keeps
// what was made of user agents under a hash, for all who use the same.
//
// PostgreSQL itself keeps what was overwritten for a while, out of reach of statements:
//
//   - on the pages of the tables and of the index users_grams, until they are vacuumed
//     and written over. Autovacuum comes when a fifth of a table changed; an operator
//     who wants it sooner runs VACUUM on sessions, users and places. Space that it
//     frees is written over as rows come; VACUUM FULL leaves nothing at once, and locks.
//   - in the write-ahead log, until its segments are recycled, and as long as they are
//     archived; and in base backups and dumps made before, as long as those are kept.
//
// Of the search texts the planner's statistics have samples. They are taken anew after
// the commit; other columns with personal data have no statistics.
var (
	//go:embed sql/forget.sql
	forgetSQL string
	//go:embed sql/blank.sql
	blankSQL string
)

// blankName has the search text and the hash of users without a name.
var blankName = newestLogin{}

// recall adds to a batch the users forgotten before, if one of its facts is so old.
// Facts come in order, so that happens only to those that come again.
func (w *writing) recall(ctx context.Context, facts *folded) error {
	users := facts.usersBefore(w.forgotten)
	if len(users.users) == 0 {
		return nil
	}
	found, err := w.tx.Query(ctx, `
		SELECT f.tenant, f.user_id, f.sequence
		FROM unnest($1::text[], $2::text[]) AS n (tenant, user_id)
		JOIN forgotten f USING (tenant, user_id)`, users.tenants, users.users)
	if err != nil {
		return err
	}
	var tenant, user string
	var sequence int64
	_, err = pgx.ForEachRow(found, []any{&tenant, &user, &sequence}, func() error {
		facts.forgot(activesessions.UserRef{Tenant: fromText(tenant), User: fromText(user)}, uint64(sequence))
		return nil
	})
	return err
}

// forgetNames does it for the users of the batch who are forgotten, before their new
// logins are written. It returns those of whom it is news.
func (w *writing) forgetNames(ctx context.Context, facts *folded) ([]activesessions.UserRef, error) {
	if len(facts.forgotten) == 0 {
		return nil, nil
	}
	var names userColumns
	sequences := make([]int64, 0, len(facts.forgotten))
	for user, sequence := range facts.forgotten {
		names.add(user)
		sequences = append(sequences, int64(sequence))
	}
	found, err := w.tx.Query(ctx, forgetSQL, names.tenants, names.users, sequences,
		blankName.hash(), activesessions.SearchText("", ""))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, func(row pgx.CollectableRow) (activesessions.UserRef, error) {
		var tenant, user string
		err := row.Scan(&tenant, &user)
		return activesessions.UserRef{Tenant: fromText(tenant), User: fromText(user)}, err
	})
}

// forgetSessions takes the persons out of the sessions of the forgotten, and of those
// of whom a forgotten session was written.
func (w *writing) forgetSessions(ctx context.Context, facts *folded, written userColumns) error {
	users := written
	for user := range facts.forgotten {
		users.add(user)
	}
	if len(users.users) == 0 {
		return nil
	}
	found, err := w.tx.Query(ctx, "SELECT "+columns+` FROM sessions
		WHERE (tenant, user_id) IN (SELECT tenant, user_id FROM unnest($1::text[], $2::text[]) AS n (tenant, user_id))`,
		users.tenants, users.users)
	if err != nil {
		return err
	}
	blank := newRows(0)
	var row scanned
	_, err = pgx.ForEachRow(found, row.targets(), func() error {
		session, err := row.decode()
		if err != nil || !session.Forget(facts.forgotten[activesessions.UserRef{Tenant: session.Tenant, User: session.User}]) {
			return err
		}
		return blank.add(&session)
	})
	if err != nil || len(blank.session) == 0 {
		return err
	}
	_, err = w.tx.Exec(ctx, blankSQL, blank.tenant, blank.user, blank.session, blank.client, blank.deviceJSON, blank.ending)
	return err
}

const resampleSQL = "ANALYZE users (search), places (search)"

// resample takes the search texts of the forgotten out of the statistics. Writers do
// not wait for it while somebody else has the tables: autovacuum, which does the same.
func (s *Store) resample(ctx context.Context) {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		for _, sql := range []string{"SET LOCAL lock_timeout = '1s'", sampleSQL, resampleSQL} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.logger.WarnContext(ctx, "the planner may have samples of forgotten names until users and places are analyzed", "error", err)
	}
}

// userColumns are users column by column, as unnest takes them.
type userColumns struct{ tenants, users []string }

func (c *userColumns) add(user activesessions.UserRef) {
	c.tenants = append(c.tenants, toText(user.Tenant))
	c.users = append(c.users, toText(user.User))
}

// forgot notes that a user is forgotten.
func (f *folded) forgot(user activesessions.UserRef, sequence uint64) {
	f.forgotten[user] = max(f.forgotten[user], sequence)
}

// usersBefore are the users of rows that began at a sequence or before it.
func (f *folded) usersBefore(sequence uint64) userColumns {
	var users userColumns
	if sequence == 0 {
		return users
	}
	for i := range f.rows {
		if row := &f.rows[i]; row.First != 0 && row.First <= sequence {
			users.add(activesessions.UserRef{Tenant: row.Tenant, User: row.User})
		}
	}
	return users
}

// forget takes the forgotten out of the batch, so that they do not come into the
// database at all.
func (f *folded) forget() {
	if len(f.forgotten) == 0 {
		return
	}
	for i := range f.rows {
		row := &f.rows[i]
		row.Forget(f.forgotten[activesessions.UserRef{Tenant: row.Tenant, User: row.User}])
	}
	for user, sequence := range f.forgotten {
		if login, ok := f.logins[user]; ok && login.sequence < sequence {
			f.logins[user] = newestLogin{sequence: login.sequence}
		}
	}
}
