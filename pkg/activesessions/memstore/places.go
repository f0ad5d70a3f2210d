package memstore

import (
	"cmp"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions/internal/order"
	"github.com/posse-pos/posse/pkg/activesessions/internal/pagetoken"
)

// settle puts the user where its open sessions belong in the list.
func (u *user) settle(version uint64, now events.Timestamp) {
	t := u.tenant
	last := u.lastActive()
	switch {
	case len(u.open) == 0 && u.isListed:
		t.listed.remove(u)
		u.isListed = false
		t.listedUsers--
	case len(u.open) == 0:
	case !u.isListed:
		u.place, u.born, u.isListed = last, version, true
		t.listed.insert(u)
		t.listedUsers++
	case last < u.place || last > u.place+events.Timestamp(order.Step(t.listedUsers)):
		t.move(u, last, version, now)
	}
}

// move keeps the old place if somebody is paging through a list that shows it.
func (t *tenant) move(u *user, place events.Timestamp, version uint64, now events.Timestamp) {
	if u.born <= t.paged.Load() && int64(now) <= t.pagedUntil.Load() {
		t.past.add(pastPlace{user: u, place: u.place, born: u.born, died: version, at: now})
	}
	t.past.expire(now - events.Timestamp(pagetoken.Lifetime.Milliseconds()))
	t.listed.remove(u)
	u.place, u.born = place, version
	t.listed.insert(u)
}

// pastPlace is where a user stood in the versions of the list from born to
// before died.
type pastPlace struct {
	user       *user
	place      events.Timestamp
	born, died uint64
	at         events.Timestamp // when it was left
}

// pastPlaces remembers for as long as a page token lives.
type pastPlaces struct {
	places sorted[pastPlace]
	queue  []pastPlace // oldest first
}

func newPastPlaces() pastPlaces {
	return pastPlaces{places: sorted[pastPlace]{compare: func(a, b pastPlace) int {
		return cmp.Or(comparePlaces(a.place, a.user.id, b.place, b.user.id), cmp.Compare(a.born, b.born))
	}}}
}

func (p *pastPlaces) add(x pastPlace) {
	p.places.insert(x)
	p.queue = append(p.queue, x)
}

func (p *pastPlaces) expire(before events.Timestamp) {
	n := 0
	for ; n < len(p.queue) && p.queue[n].at < before; n++ {
		p.places.remove(p.queue[n])
	}
	if n > 0 {
		p.queue = append(p.queue[:0:0], p.queue[n:]...)
	}
}
