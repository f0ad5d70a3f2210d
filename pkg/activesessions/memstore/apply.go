package memstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/activesessions/internal/order"
	"github.com/posse-pos/posse/pkg/device"
	"github.com/posse-pos/posse/pkg/eventlog"
)

var errBatch = errors.New("memstore: batch does not go forward in one stream")

// Apply implements activesessions.Writer.
func (s *Store) Apply(_ context.Context, batch activesessions.Batch) ([]activesessions.UserRef, error) {
	if batch.To.Stream != batch.From.Stream || batch.To.Sequence < batch.From.Sequence && !batch.StartsOver() {
		return nil, fmt.Errorf("%w: from %+v to %+v", errBatch, batch.From, batch.To)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := s.position(batch.From.Stream); !samePosition(at, batch.From) {
		return nil, fmt.Errorf("%w: %s stands at %d, the batch continues %d",
			activesessions.ErrFenced, batch.From.Stream, at.Sequence, batch.From.Sequence)
	}
	s.settle(s.now().Add(-order.Lag))
	s.learn(batch.Devices)
	changed := s.merge(batch.Facts)
	s.advance(batch)
	refs := make([]activesessions.UserRef, len(changed))
	for i, u := range changed {
		u.settle(s.version, stamp(s.now()))
		refs[i] = activesessions.UserRef{Tenant: u.tenant.id, User: u.id}
	}
	return refs, nil
}

// samePosition takes any start for the start: a position before the first
// message names none.
func samePosition(a, b eventlog.Position) bool {
	return a.Sequence == b.Sequence && (a.Sequence == 0 || a.ID == b.ID && a.Created.Equal(b.Created))
}

func (s *Store) learn(devices map[string]device.Device) {
	if len(devices) == 0 {
		return
	}
	known := s.devices[device.Version]
	if known == nil {
		known = map[string]device.Device{}
		s.devices[device.Version] = known
	}
	maps.Copy(known, devices)
}

func (s *Store) advance(batch activesessions.Batch) {
	s.positions[batch.To.Stream] = batch.To
	if batch.To.Stream != events.StreamSessions {
		return
	}
	if n := len(batch.Facts); n > 0 {
		s.asOf = latest(s.asOf, batch.Facts[n-1].Time)
	}
	close(s.advanced)
	s.advanced = make(chan struct{})
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b.UTC()
	}
	return a
}

func (s *Store) merge(facts []eventlog.Recorded) []*user {
	var changed []*user
	for i := range facts {
		u := s.mergeFact(&facts[i])
		if u != nil && u.changed != s.version {
			u.changed = s.version
			changed = append(changed, u)
		}
	}
	return changed
}

// mergeFact returns the user if the fact changed a row of it or its name.
func (s *Store) mergeFact(fact *eventlog.Recorded) *user {
	var dev device.Device
	switch event := fact.Event.(type) {
	case events.Forgotten:
		u := s.tenant(event.Tenant).user(event.User)
		if !u.forget(fact.Sequence) {
			return nil
		}
		return u
	case events.LoggedIn:
		dev = s.devices[device.Version][activesessions.DeviceHash(event)]
	case events.Refreshed, events.Touched, events.Revoked:
	default:
		return nil
	}
	r := s.row(fact.Event.SessionKey())
	renamed := r.user.hear(fact)
	merged := activesessions.Merge(r.session(), *fact, dev)
	merged.Forget(r.user.forgotten)
	changed := false
	s.refile(r, func() { changed = r.set(&merged) })
	if !changed && !renamed {
		return nil
	}
	return r.user
}

// row finds or makes the row of a session.
func (s *Store) row(key events.Key) *row {
	t := s.tenant(key.Tenant)
	if r := t.find(key.User, key.Session); r != nil {
		return r
	}
	r := newRow(t.user(key.User), key.Session)
	t.chain(r)
	return r
}

// tenant finds or makes a tenant.
func (s *Store) tenant(id string) *tenant {
	t, ok := s.tenants[id]
	if !ok {
		t = newTenant(id)
		s.tenants[id] = t
	}
	return t
}

// refile changes a row and puts it where it then belongs: among the open rows or
// the closed ones, in the order of their expiry or end.
func (s *Store) refile(r *row, change func()) {
	wasOpen, was := r.open, s.momentOf(r)
	change()
	isOpen, isNew := r.openAt(s.horizon), r.place == unfiled
	if isOpen != wasOpen || isNew {
		r.user.detach(r)
		r.open = isOpen
		r.user.attach(r)
		r.user.tenant.open += delta(wasOpen, isOpen)
	}
	if is := s.momentOf(r); isOpen != wasOpen || isNew || is != was {
		s.moments(wasOpen).remove(was)
		s.moments(isOpen).insert(is)
	}
}

func delta(was, is bool) int {
	switch {
	case is && !was:
		return 1
	case was && !is:
		return -1
	default:
		return 0
	}
}

func (s *Store) momentOf(r *row) moment {
	if r.open {
		return moment{r.expires, r}
	}
	return moment{r.gone(), r}
}

func (s *Store) moments(open bool) *sorted[moment] {
	if open {
		return &s.expiring
	}
	return &s.gone
}
