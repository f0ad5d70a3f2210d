package activesessions

import (
	"time"

	"github.com/posse-pos/posse/events"
)

// Open reports whether the session can be used now: it was signed in, nobody
// ended it, and it has not expired. Unlike Active it asks no clock but for the
// expiry, so a session that was ended is gone from the moment its end is known,
// however wrong the clock was of whoever ended it.
func (s *Session) Open(now time.Time) bool {
	return s.LoginSequence != 0 && s.End == nil && s.Expires.After(now)
}

// Stop is when the session ended or, by itself, ends.
func (s *Session) Stop() time.Time {
	if s.End != nil && s.End.At.Before(s.Expires) {
		return s.End.At
	}
	return s.Expires
}

// AsOf is the row as it stood at a past moment: as a fold of the facts that
// happened until then, with the moment itself, makes it. A session happened from
// its Created on, any other fact at its event timestamp; when the log stored them
// does not count, since a backend may report late or import.
//
// Whether the session was active, who signed in, on which device, since when and
// how it ended by then are exact. A row does not remember what a later fact
// overwrote, and says so instead of showing what was not true yet:
//
//   - LastActive is the moment itself if the session was used at it or later. (The
//     log keeps the last touch of a session only, so nobody knows the ones before.)
//   - IP and UserAgent are empty if a later fact brought others.
//   - Expires is the greatest known, also of later refreshes. No refresh reopens a
//     session that expired, so that does not change whether it was active.
//
// What ended it after the moment is in Later.
func (s *Session) AsOf(at time.Time) {
	if s.LastActive.After(at) {
		s.LastActive = at
	}
	if s.IPAt.After(at) {
		s.IP, s.IPAt = "", time.Time{}
	}
	if s.UserAgentAt.After(at) {
		s.UserAgent, s.UserAgentAt = "", time.Time{}
	}
	if s.End != nil && s.End.At.After(at) {
		s.Later, s.End = s.End, nil
	}
}

// Size is the number of users on a page, within its bounds.
func (q *UsersQuery) Size() int {
	if q.PageSize <= 0 {
		return DefaultPageSize
	}
	return min(q.PageSize, MaxPageSize)
}

// Counted is what Total says when that many users match.
func (q *UsersQuery) Counted(users int) int {
	if q.CountAtMost <= 0 {
		return users
	}
	return min(users, q.CountAtMost+1)
}

// Of selects the active sessions of one of the users.
func (q *SessionsOfQuery) Of(user string) SessionsQuery {
	return SessionsQuery{Tenant: q.Tenant, User: user, At: q.At, Now: q.Now}
}

// Size is the greatest number of sessions to return.
func (q *SessionsQuery) Size() int {
	if q.Limit <= 0 {
		return events.MaxActiveSessions
	}
	return q.Limit
}
