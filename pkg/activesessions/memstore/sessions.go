package memstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
)

// Sessions implements activesessions.Reader.
func (s *Store) Sessions(
	_ context.Context, query activesessions.SessionsQuery,
) ([]activesessions.Session, activesessions.Freshness, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.selected(&query), s.freshness(), nil
}

// SessionsOf implements activesessions.Reader.
func (s *Store) SessionsOf(
	_ context.Context, query activesessions.SessionsOfQuery,
) (map[string][]activesessions.Session, activesessions.Freshness, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	found := map[string][]activesessions.Session{}
	for _, user := range query.Users {
		one := query.Of(user)
		if sessions := s.selected(&one); len(sessions) > 0 {
			found[user] = sessions
		}
	}
	return found, s.freshness(), nil
}

func (s *Store) selected(query *activesessions.SessionsQuery) []activesessions.Session {
	u := s.user(query.Tenant, query.User)
	if u == nil {
		return nil
	}
	var found []activesessions.Session
	for _, r := range s.candidates(u, query) {
		if session := r.complete(); selects(query, &session) {
			found = append(found, session)
		}
	}
	sortSessions(found, query.Ended)
	return found[:min(len(found), query.Size())]
}

// candidates leaves out the ended and expired sessions of 13 months where none
// of them can be meant.
func (s *Store) candidates(u *user, query *activesessions.SessionsQuery) []*row {
	if query.At.IsZero() && !query.Ended && stamp(query.Now) >= s.horizon {
		return u.open
	}
	return slices.Concat(u.open, u.closed)
}

func selects(query *activesessions.SessionsQuery, session *activesessions.Session) bool {
	if session.LoginSequence == 0 {
		return false
	}
	if query.At.IsZero() {
		return session.Open(query.Now) != query.Ended
	}
	if session.Created.After(query.At) || session.Active(query.At) == query.Ended {
		return false
	}
	session.AsOf(query.At)
	return true
}

func sortSessions(sessions []activesessions.Session, ended bool) {
	slices.SortFunc(sessions, func(a, b activesessions.Session) int {
		newest := b.LastActive.Compare(a.LastActive)
		if ended {
			newest = b.Stop().Compare(a.Stop())
		}
		return cmp.Or(newest, strings.Compare(a.Session, b.Session))
	})
}

func (s *Store) user(tenant, id string) *user {
	if t, ok := s.tenants[tenant]; ok {
		return t.users[id]
	}
	return nil
}

// Session implements activesessions.Reader.
func (s *Store) Session(_ context.Context, tenant, session string) ([]activesessions.Session, activesessions.Freshness, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []activesessions.Session
	if t, ok := s.tenants[tenant]; ok {
		for r := t.sessions[session]; r != nil; r = r.next {
			if r.loginSequence != 0 {
				found = append(found, r.complete())
			}
		}
	}
	if len(found) == 0 {
		return nil, s.freshness(), fmt.Errorf("%w: session %q", activesessions.ErrNotFound, session)
	}
	sortLogins(found)
	return found, s.freshness(), nil
}

func sortLogins(sessions []activesessions.Session) {
	slices.SortFunc(sessions, func(a, b activesessions.Session) int {
		return cmp.Compare(a.LoginSequence, b.LoginSequence)
	})
}

// History implements activesessions.Reader.
func (s *Store) History(_ context.Context, tenant, id string, now time.Time) ([]activesessions.Session, activesessions.Freshness, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []activesessions.Session
	if u := s.user(tenant, id); u != nil {
		for _, r := range slices.Concat(u.open, u.closed) {
			if r.loginSequence != 0 && r.expires > stamp(now) {
				found = append(found, r.complete())
			}
		}
	}
	sortLogins(found)
	return found, s.freshness(), nil
}

// Idle implements activesessions.Reader.
func (s *Store) Idle(
	_ context.Context, tenantID string, since, now time.Time, after events.Key, limit int,
) (idle []events.Key, next events.Key, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t, ok := s.tenants[tenantID]
	if !ok || limit <= 0 {
		return nil, events.Key{}, nil
	}
	for r := range t.rowsAfter(after) {
		if limit == 0 {
			return idle, next, nil
		}
		limit--
		next = r.key()
		if r.openAt(stamp(now)) && r.lastActive < stamp(since) {
			idle = append(idle, next)
		}
	}
	return idle, events.Key{}, nil
}

// rowsAfter yields a tenant's open rows in key order.
func (t *tenant) rowsAfter(after events.Key) func(func(*row) bool) {
	return func(yield func(*row) bool) {
		if u, ok := t.users[after.User]; ok && !u.yieldAfter(after.Session, yield) {
			return
		}
		for u := range t.byID.after(&user{id: after.User}) {
			if !u.yieldAfter("", yield) {
				return
			}
		}
	}
}

func (u *user) yieldAfter(session string, yield func(*row) bool) bool {
	rows := slices.Clone(u.open)
	slices.SortFunc(rows, func(a, b *row) int { return strings.Compare(a.id, b.id) })
	for _, r := range rows {
		if r.id > session && !yield(r) {
			return false
		}
	}
	return true
}

// Dump implements activesessions.Reader. It copies the rows first, so writing
// them somewhere slow holds nobody up.
func (s *Store) Dump(ctx context.Context, write func(line []byte) error) error {
	for _, session := range s.everything() {
		if err := ctx.Err(); err != nil {
			return err
		}
		line, err := activesessions.DumpLine(&session)
		if err != nil {
			return err
		}
		if err := write(line); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) everything() []activesessions.Session {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []activesessions.Session
	for r := range s.rowsSince(-1 << 62) {
		all = append(all, r.complete())
	}
	slices.SortFunc(all, func(a, b activesessions.Session) int {
		return cmp.Or(
			strings.Compare(a.Tenant, b.Tenant),
			strings.Compare(a.User, b.User),
			strings.Compare(a.Session, b.Session),
		)
	})
	return all
}
