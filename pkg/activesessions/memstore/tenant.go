package memstore

import (
	"cmp"
	"sync/atomic"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// tenant holds the indexes of one tenant.
type tenant struct {
	id          string
	users       map[string]*user
	sessions    map[string]*row // by session id; rows of one id are chained
	byID        sorted[*user]
	listed      sorted[*user] // users with open sessions, by place
	past        pastPlaces
	listedUsers int // users with open sessions
	open        int // open sessions

	// paged is the newest version of the list that a page token was made of, and
	// pagedUntil when the last of these tokens expires. Readers write them.
	paged      atomic.Uint64
	pagedUntil atomic.Int64
}

// user is one user's rows. Open are the rows that were open at the store's
// horizon; ended, expired and stub rows are closed.
type user struct {
	tenant *tenant
	id     string
	open   []*row
	closed []*row

	// who comes from the login with the greatest sequence, and from none if that is
	// before the user was forgotten.
	who           *identity
	loginSequence uint64
	forgotten     uint64 // greatest sequence of an events.Forgotten

	// place is where the user stands in the list, since version born.
	place    events.Timestamp
	born     uint64
	isListed bool
	changed  uint64 // version that changed the user last
}

func newTenant(id string) *tenant {
	return &tenant{
		id:       id,
		users:    map[string]*user{},
		sessions: map[string]*row{},
		byID:     sorted[*user]{compare: func(a, b *user) int { return cmp.Compare(a.id, b.id) }},
		listed: sorted[*user]{compare: func(a, b *user) int {
			return comparePlaces(a.place, a.id, b.place, b.id)
		}},
		past: newPastPlaces(),
	}
}

// comparePlaces orders by newest activity, and by id among equals.
func comparePlaces(a events.Timestamp, aID string, b events.Timestamp, bID string) int {
	return cmp.Or(cmp.Compare(b, a), cmp.Compare(aID, bID))
}

func (t *tenant) user(id string) *user {
	u, ok := t.users[id]
	if !ok {
		u = &user{tenant: t, id: id, who: nobody}
		t.users[id] = u
		t.byID.insert(u)
	}
	return u
}

// find returns the row of a session of a user, or nil.
func (t *tenant) find(userID, session string) *row {
	r := t.sessions[session]
	for r != nil && r.user.id != userID {
		r = r.next
	}
	return r
}

func (t *tenant) chain(r *row) {
	r.next = t.sessions[r.id]
	t.sessions[r.id] = r
}

// forget removes a closed row, and its user with the last one.
func (t *tenant) forget(r *row) {
	t.unchain(r)
	u := r.user
	u.detach(r)
	if len(u.open) == 0 && len(u.closed) == 0 {
		t.byID.remove(u)
		delete(t.users, u.id)
	}
}

func (t *tenant) unchain(r *row) {
	first := t.sessions[r.id]
	switch {
	case first == r && r.next == nil:
		delete(t.sessions, r.id)
	case first == r:
		t.sessions[r.id] = r.next
	default:
		for first.next != r {
			first = first.next
		}
		first.next = r.next
	}
}

func (u *user) rows(open bool) *[]*row {
	if open {
		return &u.open
	}
	return &u.closed
}

func (u *user) attach(r *row) {
	rows := u.rows(r.open)
	r.place = int32(len(*rows))
	*rows = append(*rows, r)
}

func (u *user) detach(r *row) {
	if r.place == unfiled {
		return
	}
	rows := u.rows(r.open)
	last := len(*rows) - 1
	moved := (*rows)[last]
	(*rows)[r.place], moved.place = moved, r.place
	(*rows)[last] = nil
	*rows = (*rows)[:last]
}

// hear takes over who a login says the user is, if no later login spoke, and
// reports whether that is news.
func (u *user) hear(fact *eventlog.Recorded) bool {
	login, ok := fact.Event.(events.LoggedIn)
	if !ok || fact.Sequence < u.loginSequence {
		return false
	}
	before, p := u.who, login.Personal
	if fact.Sequence < u.forgotten {
		p = events.LoginPersonal{}
	}
	u.who, u.loginSequence = u.identity(p.Username, p.DisplayName, p.AvatarURL), fact.Sequence
	return u.who != before
}

// forget takes the person out of the user and all their rows that began before a
// sequence, and of those to come. It reports whether that is news.
func (u *user) forget(sequence uint64) bool {
	if sequence <= u.forgotten {
		return false
	}
	u.forgotten = sequence
	if u.loginSequence < u.forgotten {
		u.who = nobody
	}
	for _, rows := range [][]*row{u.open, u.closed} {
		for _, r := range rows {
			if session := r.session(); session.Forget(u.forgotten) {
				r.set(&session) // nothing that it is filed by
			}
		}
	}
	return true
}

// identity is nearly always the one that the user has.
func (u *user) identity(username, displayName, avatarURL string) *identity {
	if old := u.who; old.username == username && old.displayName == displayName && old.avatarURL == avatarURL {
		return u.who
	}
	return &identity{
		username: username, displayName: displayName, avatarURL: avatarURL,
		search: activesessions.SearchText(username, displayName),
	}
}

// lastActive is the newest activity of the user's open sessions.
func (u *user) lastActive() events.Timestamp {
	var last events.Timestamp
	for _, r := range u.open {
		last = max(last, r.lastActive)
	}
	return last
}
