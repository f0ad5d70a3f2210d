package memstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/posse-pos/posse/pkg/activesessions"
)

// Old implements activesessions.Writer.
func (s *Store) Old(_ context.Context, before func(tenant string) time.Time) ([]activesessions.Old, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := make(map[*tenant]*activesessions.Old, len(s.tenants))
	var last time.Time
	for _, t := range s.tenants {
		moment := earliest(before(t.id), s.now())
		found[t] = &activesessions.Old{Tenant: t.id, Before: moment}
		last = latest(last, moment)
	}
	s.settle(last) // what expired is among the closed rows
	for m := range s.goneBefore(last) {
		if old := found[m.row.user.tenant]; m.at < stamp(old.Before) {
			old.Sessions++
		}
	}
	var all []activesessions.Old
	for _, old := range found {
		if old.Sessions > 0 {
			all = append(all, *old)
		}
	}
	slices.SortFunc(all, func(a, b activesessions.Old) int { return cmp.Compare(a.Tenant, b.Tenant) })
	return all, nil
}

// goneBefore yields the closed rows that went before a moment.
func (s *Store) goneBefore(at time.Time) func(func(moment) bool) {
	return func(yield func(moment) bool) {
		for m := range s.gone.all() {
			if m.at >= stamp(at) || !yield(m) {
				return
			}
		}
	}
}

// Sweep implements activesessions.Writer.
func (s *Store) Sweep(_ context.Context, tenantID string, before time.Time) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tenants[tenantID]
	if !ok {
		return 0, nil
	}
	before = earliest(before, s.now())
	s.settle(before)
	var old []*row
	for m := range s.goneBefore(before) {
		if m.row.user.tenant == t {
			old = append(old, m.row)
		}
	}
	for _, r := range old {
		s.gone.remove(moment{r.gone(), r})
		t.forget(r)
	}
	if len(t.users) == 0 {
		delete(s.tenants, t.id)
	}
	return len(old), nil
}
