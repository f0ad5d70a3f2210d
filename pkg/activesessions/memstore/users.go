package memstore

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/activesessions/internal/pagetoken"
)

// Users implements activesessions.Reader. The list is the one that the first
// page showed: users who were active since stay where they were in it, so paging
// shows nobody twice and misses nobody who had a session throughout. On a page
// the newest activity comes first, by what is known now.
//
// A past moment, and a Now before the store's horizon, is answered from the
// sessions that were active then. But where a list has several pages, a Now before the
// horizon counts as the horizon: pages of one list may be asked for by different clocks.
func (s *Store) Users(_ context.Context, query activesessions.UsersQuery) (activesessions.UsersPage, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	l := listing{query: &query, filter: activesessions.Fold(query.Filter), now: stamp(query.Now)}
	if query.PageToken != "" {
		var err error
		if l.token, err = pagetoken.Decode(s.secret, &query); err != nil {
			return activesessions.UsersPage{}, err
		}
	}
	page := activesessions.UsersPage{Freshness: s.freshness()}
	if t, ok := s.tenants[query.Tenant]; ok {
		l.tenant = t
		s.fill(&page, &l)
	}
	return page, nil
}

func (s *Store) fill(page *activesessions.UsersPage, l *listing) {
	entries := s.entries(page, l)
	page.Total = l.query.Counted(page.Total)
	if !l.query.At.IsZero() {
		page.Sessions = l.query.Counted(page.Sessions)
	}
	if size := l.query.Size(); len(entries) > size {
		entries = entries[:size]
		page.NextToken = s.continueAfter(l, entries[size-1])
	}
	slices.SortFunc(entries, func(a, b entry) int {
		return comparePlaces(a.lastActive, a.user.id, b.lastActive, b.user.id)
	})
	for _, e := range entries {
		page.Users = append(page.Users, e.public())
	}
}

func (s *Store) entries(page *activesessions.UsersPage, l *listing) []entry {
	isNow := l.query.At.IsZero()
	if !isNow || l.now < s.horizon && l.query.PageToken == "" {
		entries := s.past(page, l)
		if !isNow || len(entries) <= l.query.Size() {
			return entries
		}
		page.Total, page.Sessions = 0, 0
	}
	l.now = max(l.now, s.horizon)
	s.count(page, l)
	return l.current(s.version)
}

// continueAfter makes the token of the next page and remembers that somebody may
// come back for it. It runs under the read lock, so no place moves meanwhile.
func (s *Store) continueAfter(l *listing, last entry) string {
	token := pagetoken.Token{Version: s.version, Issued: l.query.Now, Place: int64(last.place), User: last.user.id}
	if l.query.PageToken != "" {
		token.Version, token.Issued = l.token.Version, l.token.Issued
	}
	raise(&l.tenant.paged, token.Version)
	raise(&l.tenant.pagedUntil, stamp(s.now().Add(pagetoken.Lifetime)))
	return pagetoken.Encode(s.secret, l.query, token)
}

type atomicNumber[N uint64 | int64] interface {
	Load() N
	CompareAndSwap(old, to N) bool
}

func raise[N uint64 | int64, M ~uint64 | ~int64](a atomicNumber[N], to M) {
	for old := a.Load(); old < N(to); old = a.Load() {
		if a.CompareAndSwap(old, N(to)) {
			return
		}
	}
}

// listing is one question for users, while it is answered.
type listing struct {
	query  *activesessions.UsersQuery
	tenant *tenant
	filter string
	now    events.Timestamp
	token  pagetoken.Token
}

// entry is a user in an answer.
type entry struct {
	user       *user
	who        *identity
	place      events.Timestamp // in the order of the list
	sessions   int
	lastActive events.Timestamp
}

func (e *entry) public() activesessions.User {
	who := e.who
	return activesessions.User{
		Tenant:      e.user.tenant.id,
		ID:          e.user.id,
		Username:    who.username,
		DisplayName: who.displayName,
		AvatarURL:   who.avatarURL,
		Sessions:    e.sessions,
		LastActive:  e.lastActive.Time(),
	}
}

// entry says what is open of a user now.
func (l *listing) entry(u *user, place events.Timestamp) entry {
	e := entry{user: u, who: u.who, place: place}
	for _, r := range u.open {
		if r.openAt(l.now) {
			e.sessions++
			e.lastActive = max(e.lastActive, r.lastActive)
		}
	}
	return e
}

func (l *listing) matches(who *identity) bool {
	return l.filter == "" || strings.Contains(who.search, l.filter)
}

// count fills in the totals: what is open at the horizon, less what expired
// between then and now.
func (s *Store) count(page *activesessions.UsersPage, l *listing) {
	t := l.tenant
	if l.query.User != "" {
		l.countOne(page)
		return
	}
	page.Total, page.Sessions = t.listedUsers, t.open
	expired := map[*user]struct{}{}
	for m := range s.expiring.all() {
		if m.at > l.now {
			break
		}
		if m.row.user.tenant == t {
			page.Sessions--
			expired[m.row.user] = struct{}{}
		}
	}
	for u := range expired {
		if e := l.entry(u, 0); e.sessions == 0 {
			page.Total--
		}
	}
	if l.filter != "" {
		page.Total = l.countMatches()
	}
}

func (l *listing) countOne(page *activesessions.UsersPage) {
	u, ok := l.tenant.users[l.query.User]
	if !ok {
		return
	}
	e := l.entry(u, 0)
	page.Sessions = e.sessions
	if e.sessions > 0 && l.matches(e.who) {
		page.Total = 1
	}
}

func (l *listing) countMatches() int {
	n := 0
	for u := range l.tenant.listed.all() {
		if !l.matches(u.who) {
			continue
		}
		if e := l.entry(u, 0); e.sessions > 0 {
			n++
		}
		if l.query.Counted(n+1) == n {
			break // one more than the query wants to know of
		}
	}
	return n
}

// current is one entry more than the page has room for, if there are as many.
func (l *listing) current(version uint64) []entry {
	t := l.tenant
	if l.query.User != "" {
		u, ok := t.users[l.query.User]
		if !ok || l.query.PageToken != "" {
			return nil
		}
		return l.collect(nil, func(yield func(*user, events.Timestamp) bool) { yield(u, u.place) })
	}
	if l.query.PageToken == "" {
		return l.collect(nil, places(t.listed.all()))
	}
	at := user{id: l.token.User, place: events.Timestamp(l.token.Place)}
	seen := min(l.token.Version, version)
	stayed := func(u *user) bool { return u.born <= seen }
	entries := l.collect(nil, places(only(t.listed.after(&at), stayed)))
	entries = l.collect(entries, l.left(&at, seen))
	slices.SortFunc(entries, func(a, b entry) int {
		return comparePlaces(a.place, a.user.id, b.place, b.user.id)
	})
	return entries
}

// left yields the places after a place that users left since a version.
func (l *listing) left(at *user, seen uint64) iter.Seq2[*user, events.Timestamp] {
	from := pastPlace{user: at, place: at.place, born: seen + 1}
	return func(yield func(*user, events.Timestamp) bool) {
		for p := range l.tenant.past.places.after(from) {
			if p.born <= seen && seen < p.died && !yield(p.user, p.place) {
				return
			}
		}
	}
}

// collect adds entries of users who match and have a session, up to one more
// than fits on the page.
func (l *listing) collect(entries []entry, users iter.Seq2[*user, events.Timestamp]) []entry {
	room := l.query.Size() + 1
	for u, place := range users {
		if !l.matches(u.who) {
			continue
		}
		if e := l.entry(u, place); e.sessions > 0 {
			entries = append(entries, e)
			room--
		}
		if room == 0 {
			break
		}
	}
	return entries
}

func places(users iter.Seq[*user]) iter.Seq2[*user, events.Timestamp] {
	return func(yield func(*user, events.Timestamp) bool) {
		for u := range users {
			if !yield(u, u.place) {
				return
			}
		}
	}
}

func only(users iter.Seq[*user], keep func(*user) bool) iter.Seq[*user] {
	return func(yield func(*user) bool) {
		for u := range users {
			if keep(u) && !yield(u) {
				return
			}
		}
	}
}
