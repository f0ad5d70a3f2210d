package reads

import (
	"context"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/commands"
)

// UsersQuery selects a page of users.
type UsersQuery struct {
	// User restricts the answer to one user; "" means everyone whom the viewer may
	// see.
	User string
	// Filter, PageSize, PageToken and CountAtMost are those of
	// activesessions.UsersQuery.
	Filter      string
	PageSize    int
	PageToken   string
	CountAtMost int
}

// UsersPage is users by newest activity first.
type UsersPage struct {
	Users     []User
	Total     int // users that match, on all pages
	Sessions  int // active sessions of everyone whom the viewer may see
	NextToken string
	activesessions.Freshness
}

// Users answers who is signed in. A viewer without more rights sees only
// themselves.
func (l *Lens) Users(ctx context.Context, q UsersQuery) (UsersPage, error) {
	query := activesessions.UsersQuery{
		Tenant: l.Viewer.Tenant, User: q.User, Filter: q.Filter, At: l.AsOf, Now: l.Now,
		PageSize: q.PageSize, PageToken: q.PageToken, CountAtMost: q.CountAtMost,
	}
	if !l.Viewer.MayReadAll() {
		// "" would ask for everyone.
		if query.User = l.Viewer.User; !l.Viewer.MayRead(query.User) {
			return UsersPage{}, commands.NewError(commands.ReasonForbidden, "the list of users is for administrators and auditors")
		}
	}
	page, err := l.store.Users(ctx, query)
	if err != nil {
		return UsersPage{}, l.Failure(ctx, err)
	}
	answer := UsersPage{
		Users: make([]User, len(page.Users)), Total: page.Total, Sessions: page.Sessions,
		NextToken: page.NextToken, Freshness: page.Freshness,
	}
	for i := range page.Users {
		answer.Users[i] = l.user(&page.Users[i])
	}
	return answer, nil
}

// Sessions answers with a user's active sessions, newest activity first, or with
// the ended ones, newest end first; at most limit, 0 for as many as a user can
// have. The error is commands.ErrNotFound if nobody knows the user, or the
// viewer may not.
func (l *Lens) Sessions(ctx context.Context, user string, ended bool, limit int) ([]Session, activesessions.Freshness, error) {
	if !l.Viewer.MayRead(user) || events.ValidateID("user", user) != nil {
		return nil, activesessions.Freshness{}, noUser()
	}
	query := activesessions.SessionsQuery{
		Tenant: l.Viewer.Tenant, User: user, At: l.AsOf, Now: l.Now, Ended: ended, Limit: limit,
	}
	rows, fresh, err := l.store.Sessions(ctx, query)
	if err != nil {
		return nil, fresh, l.Failure(ctx, err)
	}
	if len(rows) == 0 && user != l.Viewer.User {
		if err := l.exists(ctx, user); err != nil {
			return nil, fresh, err
		}
	}
	return l.sessions(rows), fresh, nil
}

// exists tells a user who has no such sessions from one whom nobody knows.
func (l *Lens) exists(ctx context.Context, user string) error {
	for _, ended := range []bool{false, true} {
		rows, _, err := l.store.Sessions(ctx, activesessions.SessionsQuery{
			Tenant: l.Viewer.Tenant, User: user, Now: l.Now, Ended: ended, Limit: 1,
		})
		if err != nil {
			return l.Failure(ctx, err)
		}
		if len(rows) > 0 {
			return nil
		}
	}
	return noUser()
}

// SessionsOf answers with the active sessions of several users, newest activity
// first, by user; those without any, and those whom the viewer may not see, are
// absent.
func (l *Lens) SessionsOf(ctx context.Context, users []string) (map[string][]Session, activesessions.Freshness, error) {
	visible := make([]string, 0, len(users))
	for _, user := range users {
		if l.Viewer.MayRead(user) {
			visible = append(visible, user)
		}
	}
	rows, fresh, err := l.store.SessionsOf(ctx, activesessions.SessionsOfQuery{
		Tenant: l.Viewer.Tenant, Users: visible, At: l.AsOf, Now: l.Now,
	})
	if err != nil {
		return nil, fresh, l.Failure(ctx, err)
	}
	found := make(map[string][]Session, len(rows))
	for user := range rows {
		found[user] = l.sessions(rows[user])
	}
	return found, fresh, nil
}

// Session finds a session by its id, ended ones too. Where backends gave one id
// to several users, user says whose; "" takes the one that signed in first. The
// error is commands.ErrNotFound if there is none that the viewer may see.
func (l *Lens) Session(ctx context.Context, session, user string) (Session, activesessions.Freshness, error) {
	if events.ValidateID("session", session) != nil {
		return Session{}, activesessions.Freshness{}, noSession()
	}
	rows, fresh, err := l.store.Session(ctx, l.Viewer.Tenant, session)
	if err != nil {
		return Session{}, fresh, l.Failure(ctx, err)
	}
	row := l.pick(rows, user)
	if row == nil {
		return Session{}, fresh, noSession()
	}
	return l.session(row), fresh, nil
}

// pick returns the first session that the viewer may see, that is the wanted
// user's if one is named, and that had begun.
func (l *Lens) pick(rows []activesessions.Session, user string) *activesessions.Session {
	for i := range rows {
		row := &rows[i]
		if l.Viewer.MayRead(row.User) && (user == "" || user == row.User) && (l.AsOf.IsZero() || !row.Created.After(l.At)) {
			return row
		}
	}
	return nil
}

// Own answers with the viewer's own session; false if they have none that the
// read model shows.
func (l *Lens) Own(ctx context.Context) (Session, bool, error) {
	if l.Viewer.Session == "" {
		return Session{}, false, nil
	}
	own, _, err := l.Session(ctx, l.Viewer.Session, l.Viewer.User)
	if isNotFound(err) {
		return Session{}, false, nil
	}
	return own, err == nil, err
}

// NameOf returns what people call a user: of the newest of their sessions, or
// nothing if they have none.
func (r *Reads) NameOf(ctx context.Context, tenant, user string) (username, display, avatar string) {
	for _, ended := range []bool{false, true} {
		rows, _, err := r.store.Sessions(ctx, activesessions.SessionsQuery{
			Tenant: tenant, User: user, Now: r.now().UTC(), Ended: ended, Limit: 1,
		})
		if err == nil && len(rows) > 0 {
			return rows[0].Username, rows[0].DisplayName, rows[0].AvatarURL
		}
	}
	return "", "", ""
}

func isNotFound(err error) bool {
	return err != nil && commands.AsError(err).Reason == commands.ReasonNotFound
}
