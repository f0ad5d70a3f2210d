package memstore

import (
	"cmp"
	"iter"
	"slices"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/activesessions/internal/pagetoken"
)

// past answers from the sessions that were active at a moment. Of a past moment
// the last activity is not known any more when a session was used later, so
// there the newest sign-in comes first, which nothing changes afterwards.
func (s *Store) past(page *activesessions.UsersPage, l *listing) []entry {
	found := s.activeThen(l)
	entries := make([]entry, 0, len(found))
	for _, e := range found {
		page.Sessions += e.sessions
		if l.matches(e.who) {
			page.Total++
			entries = append(entries, *e)
		}
	}
	slices.SortFunc(entries, func(a, b entry) int {
		return comparePlaces(a.place, a.user.id, b.place, b.user.id)
	})
	if l.query.PageToken == "" {
		return entries
	}
	first, _ := slices.BinarySearchFunc(entries, l.token, func(e entry, t pagetoken.Token) int {
		return cmp.Or(comparePlaces(e.place, e.user.id, events.Timestamp(t.Place), t.User), -1)
	})
	return entries[first:]
}

func (s *Store) activeThen(l *listing) map[*user]*entry {
	found := map[*user]*entry{}
	at, isNow := stamp(l.query.At), l.query.At.IsZero()
	for r := range s.rowsSince(cmp.Or(at, l.now)) {
		u := r.user
		if u.tenant != l.tenant || l.query.User != "" && l.query.User != u.id {
			continue
		}
		if isNow && !r.openAt(l.now) || !isNow && !r.activeAt(at) {
			continue
		}
		e, ok := found[u]
		if !ok {
			e = &entry{user: u, who: u.who}
			found[u] = e
		}
		e.sessions++
		if isNow {
			e.lastActive = max(e.lastActive, r.lastActive)
			e.place = e.lastActive
		} else {
			e.lastActive = max(e.lastActive, min(r.lastActive, at))
			e.place = max(e.place, r.created)
		}
	}
	return found
}

// rowsSince yields every row that was not gone before a moment.
func (s *Store) rowsSince(at events.Timestamp) iter.Seq[*row] {
	return func(yield func(*row) bool) {
		for m := range s.expiring.all() {
			if !yield(m.row) {
				return
			}
		}
		for m := range s.gone.after(moment{at: at}) {
			if !yield(m.row) {
				return
			}
		}
	}
}
