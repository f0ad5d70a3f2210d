package screen

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/services/query/reads"
)

const (
	// usersPageSize is how many users are shown before one asks for more.
	usersPageSize = 50
	// maxUsersRefreshed is how many of the users that were loaded stay live. The
	// script leaves those beyond as they are.
	maxUsersRefreshed = 2000
	// maxCounted is up to which number the matches of a filter are counted, and
	// everybody at a past moment.
	maxCounted = 1000
)

// usersPane is the list on the left.
type usersPane struct {
	page

	Yourself *userRow // first, unless a filter hides them; nil if they have no session
	Users    []userRow
	Total    int // users in all, or that match
	Sessions int // active sessions in all
	Position uint64
	Over     bool   // more match than are counted
	Next     string // page token of what follows, "" at the end
}

// userRow is a user in the list.
type userRow struct {
	reads.User

	Selected bool
	Past     bool // as of a moment
	URL      string
	Avatar   string
}

// Name is what the user is called.
func (u *userRow) Name() string { return nameOf(u.DisplayName, u.Username, u.ID) }

// Initials stand where there is no picture.
func (u *userRow) Initials() string { return initials(u.Name()) }

// Hue is one of twelve colours, always the same for one user.
func (u *userRow) Hue() int { return hue(u.ID) }

// Key names the user in the page: the id may hold what an attribute must not.
func (u *userRow) Key() string { return key(u.ID) }

// Rows are the users in their order, the viewer first.
func (p *usersPane) Rows() []*userRow {
	rows := make([]*userRow, 0, len(p.Users)+1)
	if p.Yourself != nil {
		rows = append(rows, p.Yourself)
	}
	for i := range p.Users {
		rows = append(rows, &p.Users[i])
	}
	return rows
}

// Heading says how many there are.
func (p *usersPane) Heading() string {
	switch {
	case p.Place.Filter == "" && p.Over:
		return p.Language.Say("users.count.then.many", "Count", maxCounted)
	case p.Place.Filter == "" && p.Place.Past():
		return p.Language.Say("users.count.then", "N", p.Total)
	case p.Place.Filter == "":
		return p.Language.Say("users.count", "N", p.Total)
	case p.Over:
		return p.Language.Say("users.match.many", "Count", maxCounted)
	default:
		return p.Language.Say("users.match", "N", p.Total)
	}
}

// Summary is what is said aloud when the list has changed.
func (p *usersPane) Summary() string {
	if p.Place.Filter != "" || p.counts() && p.Sessions > maxCounted {
		return p.Heading()
	}
	return p.Heading() + ", " + p.Language.Say("sessions.count", "N", p.Sessions)
}

// usersPane reads the list. Rows is how many a refresh has to show
// again.
func (s *Screen) usersPane(ctx context.Context, l *reads.Lens, p page, rows int) (*usersPane, error) {
	pane := &usersPane{page: p, Next: p.Place.After}
	for {
		more, err := l.Users(ctx, s.usersQuery(pane, rows))
		if err != nil {
			return nil, err
		}
		pane.add(s, more)
		if pane.Next == "" || len(pane.Users) >= min(rows, maxUsersRefreshed) {
			break
		}
	}
	switch {
	case !l.Viewer.MayReadAll():
		return pane, nil
	case p.Place.After != "":
		pane.drop(l.Viewer.User) // who stands on the first page
		return pane, nil
	}
	return pane, s.putYouFirst(ctx, l, pane)
}

func (s *Screen) usersQuery(pane *usersPane, rows int) reads.UsersQuery {
	q := reads.UsersQuery{
		Filter: pane.Place.Filter, PageToken: pane.Next,
		PageSize: min(max(usersPageSize, rows-len(pane.Users)), activesessions.MaxPageSize),
	}
	if pane.counts() {
		q.CountAtMost = maxCounted
	}
	return q
}

func (p *usersPane) add(s *Screen, more reads.UsersPage) {
	p.Total, p.Sessions, p.Next = min(more.Total, p.limit(more.Total)), more.Sessions, more.NextToken
	p.Over = p.counts() && more.Total > maxCounted
	p.Position = more.Position
	for i := range more.Users {
		p.Users = append(p.Users, s.row(p.Place, more.Users[i]))
	}
}

func (p *usersPane) limit(total int) int {
	if p.counts() {
		return maxCounted
	}
	return total
}

// counts reports whether users are counted one by one. Of everybody now there are
// sums.
func (p *usersPane) counts() bool { return p.Place.Filter != "" || p.Place.Past() }

func (s *Screen) row(at place, u reads.User) userRow {
	return userRow{
		User: u, Selected: u.ID == at.User, Past: at.Past(),
		URL: at.OfUser(u.ID).URL(), Avatar: s.avatars.address(u.ID, u.AvatarURL),
	}
}

// putYouFirst moves the viewer to the top, from wherever in the list they are.
func (s *Screen) putYouFirst(ctx context.Context, l *reads.Lens, pane *usersPane) error {
	own, err := l.Users(ctx, reads.UsersQuery{User: l.Viewer.User, Filter: pane.Place.Filter})
	if err != nil {
		return err
	}
	if len(own.Users) == 0 {
		return nil
	}
	row := s.row(pane.Place, own.Users[0])
	pane.Yourself = &row
	pane.drop(l.Viewer.User)
	return nil
}

// drop takes a user out of the list, who stands elsewhere.
func (p *usersPane) drop(user string) {
	kept := p.Users[:0]
	for i := range p.Users {
		if p.Users[i].ID != user {
			kept = append(kept, p.Users[i])
		}
	}
	p.Users = kept
}

// showUsers answers with the list: filtered as one types, refreshed, or with the
// page that follows.
func (s *Screen) showUsers(w http.ResponseWriter, r *http.Request) error {
	at, fault := placeOf(r)
	if fault != "" {
		return s.showBadMoment(w, r, fault)
	}
	ctx, l, err := s.look(r, at.At)
	if errors.Is(err, reads.ErrFuture) {
		return s.showBadMoment(w, r, at.Moment())
	}
	if err != nil {
		return err
	}
	if target(r) == "" {
		http.Redirect(w, r, at.URL(), http.StatusSeeOther) //nolint:gosec // the path is ours
		return nil
	}
	rows, _ := strconv.Atoi(r.URL.Query().Get("rows"))
	pane, err := s.usersPane(ctx, l, s.frame(r), rows)
	if err != nil {
		return err
	}
	w.Header().Set("Posse-Position", strconv.FormatUint(pane.Position, 10))
	if at.After != "" {
		return s.render(w, r, http.StatusOK, "more-users", pane)
	}
	if !refreshing(r) {
		w.Header().Set("Hx-Replace-Url", at.URL())
	}
	return s.render(w, r, http.StatusOK, "user-list", pane)
}
