// Package activesessions is the read model: who is signed in, on which device,
// now or at a past moment. It holds the rows, the rule by which a fact changes a
// row (Merge), and the ports that a store implements.
//
// A row is a join-semilattice and Merge is commutative, associative and
// idempotent: duplicates, redelivery, reordering between streams and reading
// again after a crash cannot change the result, so a rebuilt read model is the
// live one. memstore and pgstore implement the ports; activesessionstest holds
// both to them.
package activesessions

import (
	"context"
	"errors"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/device"
	"github.com/posse-pos/posse/pkg/eventlog"
)

var (
	// ErrFenced says that somebody else moved the position: this writer must
	// read the checkpoint again before it goes on.
	ErrFenced = errors.New("activesessions: position was moved by another writer")
	// ErrNotFound says that there is no such session, or none in this tenant.
	ErrNotFound = errors.New("activesessions: not found")
	// ErrBehind says that the wait for a position ended before it was reached.
	ErrBehind = errors.New("activesessions: position not reached in time")
	// ErrPageToken says that a page token is not one of this store's.
	ErrPageToken = errors.New("activesessions: invalid page token")
)

// Batch is what a writer applies in one transaction: facts, the devices of the
// logins among them, and the position after them.
type Batch struct {
	Facts []eventlog.Recorded
	// Devices holds the parsed device by device.Hash for the user agents in
	// Facts that Writer.Devices did not know.
	Devices map[string]device.Device
	From    eventlog.Position // the checkpoint that this batch continues
	To      eventlog.Position
}

// StartsOver reports whether the batch only moves POS_TOUCHES back to its start.
// That stream is written behind its callers' backs and may lose its end in a power
// cut; what it still holds can be read again, since merging repeats nothing. Any
// other batch goes forward.
func (b *Batch) StartsOver() bool {
	return b.To == eventlog.Position{Stream: events.StreamTouches} && b.From.Stream == events.StreamTouches && len(b.Facts) == 0
}

// Writer is what the projector needs of a store.
type Writer interface {
	// Apply merges the facts and moves the stream's position from From to To,
	// all or nothing. It returns the users that changed. ErrFenced if the
	// position is not From.
	Apply(ctx context.Context, batch Batch) ([]UserRef, error)
	// Checkpoint returns the position of a stream; sequence 0 at the start.
	Checkpoint(ctx context.Context, stream string) (eventlog.Position, error)
	// Current states that the read model showed the end of a stream at a moment,
	// so that an idle system does not look old.
	Current(ctx context.Context, stream string, at time.Time) error
	// Devices returns the known results for keys of device.Hash, parsed by the
	// given version of the parser.
	Devices(ctx context.Context, version string, hashes []string) (map[string]device.Device, error)
	// Old counts, by tenant, what Sweep would take: the sessions that ended or expired
	// before the tenant's moment, and stubs that old. Tenants without any are absent.
	Old(ctx context.Context, before func(tenant string) time.Time) ([]Old, error)
	// Sweep takes a tenant's sessions away that ended or expired before a moment and
	// returns how many. Nothing is taken that is open, whatever the moment.
	Sweep(ctx context.Context, tenant string, before time.Time) (int, error)
	// Reset forgets everything, positions too.
	Reset(ctx context.Context) error
}

// Old says how many sessions of a tenant ended or expired before a moment.
type Old struct {
	Tenant   string
	Before   time.Time
	Sessions int // at least one
}

// UserRef names a user.
type UserRef struct{ Tenant, User string }

// Freshness says what a read shows.
type Freshness struct {
	Position uint64    // sequence of POS_SESSIONS whose effects are visible
	Touches  uint64    // sequence of POS_TOUCHES
	AsOf     time.Time // when POS_SESSIONS was last known to end there
}

// UsersQuery selects a page of users.
type UsersQuery struct {
	Tenant string
	// User restricts the answer to one user, for principals who may see only
	// themselves; "" means everyone.
	User string
	// Filter is matched, ignoring case, anywhere in username or display name.
	Filter string
	// At is the moment to answer for; the zero time means Now. What a row says then
	// is at Session.AsOf. Users have the names that they have now, since those are
	// what they are looked for by.
	At time.Time
	// Now decides what has expired. Required.
	Now time.Time
	// PageSize is 1 to MaxPageSize; 0 means DefaultPageSize.
	PageSize int
	// PageToken continues after a page, "" for the first. Paging shows no user
	// twice and misses none who was active throughout.
	PageToken string
	// CountAtMost bounds the work of counting: Total is exact up to this number,
	// and one more than it when there are more. 0 means that Total is exact.
	CountAtMost int
}

// Bounds of a page of users.
const (
	DefaultPageSize = 50
	MaxPageSize     = 500
)

// UsersPage is users by newest activity first.
type UsersPage struct {
	Users     []User
	Total     int    // users that match, on all pages, exactly up to UsersQuery.CountAtMost
	Sessions  int    // active sessions of the whole tenant (or of the one user), exactly but at a past moment
	NextToken string // "" on the last page
	Freshness
}

// SessionsQuery selects sessions of one user.
type SessionsQuery struct {
	Tenant, User string
	At, Now      time.Time // as in UsersQuery
	// Ended selects the ended and expired sessions, newest end first, instead of
	// the active ones, newest activity first.
	Ended bool
	// Limit is the most sessions returned; 0 means events.MaxActiveSessions.
	Limit int
}

// SessionsOfQuery selects the active sessions of several users.
type SessionsOfQuery struct {
	Tenant  string
	Users   []string
	At, Now time.Time // as in UsersQuery
}

// Reader answers questions. All methods are safe for concurrent use.
type Reader interface {
	Users(ctx context.Context, query UsersQuery) (UsersPage, error)
	Sessions(ctx context.Context, query SessionsQuery) ([]Session, Freshness, error)
	// SessionsOf returns the active sessions of several users of a tenant, at most
	// events.MaxActiveSessions of each, newest activity first, by user. Users
	// without any are absent.
	SessionsOf(ctx context.Context, query SessionsOfQuery) (map[string][]Session, Freshness, error)
	// Session finds a session by its id, ended ones too. Where foreign backends
	// gave one id to several users of a tenant, all of them are returned, the
	// earliest login first. ErrNotFound if there is none. Session.AsOf brings one to
	// a past moment; before its Created it was not there.
	Session(ctx context.Context, tenant, session string) ([]Session, Freshness, error)
	// History returns every session of a user that a fold for Decide needs: not
	// expired at now, ended or not, stubs excluded.
	History(ctx context.Context, tenant, user string, now time.Time) ([]Session, Freshness, error)
	// Idle returns active sessions of a tenant without activity since a moment,
	// in key order after the given key, at most limit of those looked at; next
	// is where to go on, and zero when the tenant is through. It bounds the work
	// of one call, not the age of the answer.
	Idle(
		ctx context.Context, tenant string, since, now time.Time, after events.Key, limit int,
	) (idle []events.Key, next events.Key, err error)
	// Freshness says what a read would show.
	Freshness(ctx context.Context) (Freshness, error)
	// WaitFor returns when the effects of POS_SESSIONS up to a sequence are
	// visible, or ErrBehind when the context's deadline comes first.
	WaitFor(ctx context.Context, sequence uint64) error
	// Dump writes every row in a canonical order and form: equal read models
	// give equal bytes.
	Dump(ctx context.Context, write func(line []byte) error) error
}
