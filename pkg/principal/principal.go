// Package principal knows who is asking and what they may do.
//
// Tenant, user and session always come from here, that is from a verified key
// or token, and never from a path or a body. Every permission below is within
// the principal's own tenant: a caller looks things up by Principal.Tenant, so
// that a foreign id is a missing one.
//
//   - Backend: records; ends anybody's sessions; reads nothing.
//   - User: reads and ends their own sessions.
//   - Admin: reads and ends everybody's sessions; reads the history; has people
//     forgotten.
//   - Auditor: reads everybody's sessions and the history; ends their own only.
//
// A backend writes what happens at the tills and nothing else: it records
// logins, refreshes and touches, and ends the sessions that it is told to end
// when somebody signs out. It does not read lists of people, so that a leaked
// backend key discloses nobody.
package principal

import (
	"context"
	"fmt"
)

// Kind is what sort of caller a principal is. The zero Kind may do nothing.
type Kind int

// The kinds of principals.
const (
	Backend Kind = iota + 1
	User
	Admin
	Auditor
)

// String returns the kind in lower case, as logs and metrics show it.
func (k Kind) String() string {
	switch k {
	case Backend:
		return "backend"
	case User:
		return "user"
	case Admin:
		return "admin"
	case Auditor:
		return "auditor"
	default:
		return fmt.Sprintf("kind(%d)", int(k))
	}
}

// ScreenKeyID is the KeyID of the Sessions screen, which records that people sign in
// to it. Keys that backends have are hexadecimal numbers.
const ScreenKeyID = "screen"

// Principal is a verified caller. User and Session are set for a session token,
// KeyID for a backend key.
type Principal struct {
	Kind    Kind
	Tenant  string
	User    string
	Session string
	KeyID   string
	Roles   []string
}

// MayRecord reports whether p may record logins, refreshes and touches of any
// user of its tenant: backends only.
func (p Principal) MayRecord() bool { return p.Kind == Backend }

// MayRead reports whether p may see user's sessions: admins and auditors those
// of everyone in their tenant, users their own, backends nobody's.
func (p Principal) MayRead(user string) bool {
	return p.MayReadAll() || p.is(user)
}

// MayReadAll reports whether p may list the users of its tenant.
func (p Principal) MayReadAll() bool { return p.Kind == Admin || p.Kind == Auditor }

// MayEnd reports whether p may end user's sessions: admins and backends those of
// everyone in their tenant, users and auditors their own.
func (p Principal) MayEnd(user string) bool {
	return p.Kind == Admin || p.Kind == Backend || p.is(user)
}

// MayForget reports whether p may have users of its tenant forgotten: admins only.
func (p Principal) MayForget() bool { return p.Kind == Admin }

// MayReadHistory reports whether p may replay and export its tenant's events.
func (p Principal) MayReadHistory() bool { return p.Kind == Admin || p.Kind == Auditor }

// is reports whether p is user itself. Nobody is the empty user.
func (p Principal) is(user string) bool {
	switch p.Kind {
	case User, Admin, Auditor:
		return user != "" && p.User == user
	default:
		return false
	}
}

type contextKey struct{}

// With returns a context that carries p.
func With(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// From returns the principal that ctx carries, and whether it carries one.
func From(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(contextKey{}).(Principal)
	return p, ok
}
