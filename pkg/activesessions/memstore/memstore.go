// Package memstore is the read model in memory, for a process that rebuilds it
// by replay when it starts. It keeps nothing on disk and scans no more than the
// answer needs: users stand in a list by newest activity, sessions are found by
// id and by user, and expiries and ends are in order.
//
// It imports the standard library and the port only.
package memstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/activesessions/internal/order"
	"github.com/posse-pos/posse/pkg/device"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// Config says how a Store works.
type Config struct {
	// Now is the clock by which expired sessions leave the summaries; nil means
	// time.Now. Answers depend on the time in the query only.
	Now func() time.Time
}

// Store implements activesessions.Writer and activesessions.Reader. All methods
// are safe for concurrent use. A batch is applied under a lock that readers
// share, so a reader sees all of a batch or nothing of it.
type Store struct {
	now    func() time.Time
	secret []byte

	mu        sync.RWMutex
	tenants   map[string]*tenant
	expiring  sorted[moment] // open rows by expiry
	gone      sorted[moment] // closed rows by row.gone
	horizon   events.Timestamp
	version   uint64
	positions map[string]eventlog.Position
	asOf      time.Time
	devices   map[string]map[string]device.Device // by parser version and hash
	advanced  chan struct{}                       // closed when POS_SESSIONS moves on
}

var (
	_ activesessions.Writer = (*Store)(nil)
	_ activesessions.Reader = (*Store)(nil)
)

// New returns an empty store.
func New(config Config) *Store {
	s := &Store{now: config.Now, secret: make([]byte, 32), advanced: make(chan struct{})}
	if s.now == nil {
		s.now = time.Now
	}
	_, _ = rand.Read(s.secret) // never fails
	s.clear()
	return s
}

func (s *Store) clear() {
	s.tenants = map[string]*tenant{}
	s.expiring = sorted[moment]{compare: compareMoments}
	s.gone = sorted[moment]{compare: compareMoments}
	s.positions = map[string]eventlog.Position{}
	s.devices = map[string]map[string]device.Device{}
	s.asOf = time.Time{}
}

// Reset implements activesessions.Writer.
func (s *Store) Reset(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	_, _ = rand.Read(s.secret) // page tokens of what was are void
	return nil
}

// Checkpoint implements activesessions.Writer.
func (s *Store) Checkpoint(_ context.Context, stream string) (eventlog.Position, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.position(stream), nil
}

func (s *Store) position(stream string) eventlog.Position {
	if p, ok := s.positions[stream]; ok {
		return p
	}
	return eventlog.Position{Stream: stream}
}

// Current implements activesessions.Writer.
func (s *Store) Current(_ context.Context, stream string, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(s.now().Add(-order.Lag))
	if stream == events.StreamSessions && at.After(s.asOf) {
		s.asOf = at.UTC()
	}
	return nil
}

// Devices implements activesessions.Writer.
func (s *Store) Devices(_ context.Context, version string, hashes []string) (map[string]device.Device, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	known := make(map[string]device.Device, len(hashes))
	for _, hash := range hashes {
		if d, ok := s.devices[version][hash]; ok {
			known[hash] = d
		}
	}
	return known, nil
}

// Freshness implements activesessions.Reader.
func (s *Store) Freshness(context.Context) (activesessions.Freshness, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.freshness(), nil
}

func (s *Store) freshness() activesessions.Freshness {
	return activesessions.Freshness{
		Position: s.positions[events.StreamSessions].Sequence,
		Touches:  s.positions[events.StreamTouches].Sequence,
		AsOf:     s.asOf,
	}
}

// WaitFor implements activesessions.Reader.
func (s *Store) WaitFor(ctx context.Context, sequence uint64) error {
	for {
		s.mu.RLock()
		position, advanced := s.positions[events.StreamSessions].Sequence, s.advanced
		s.mu.RUnlock()
		if position >= sequence {
			return nil
		}
		select {
		case <-advanced:
		case <-ctx.Done():
			return fmt.Errorf("%w: want %d, stand at %d: %w", activesessions.ErrBehind, sequence, position, ctx.Err())
		}
	}
}

// moment is when something happens to a row.
type moment struct {
	at  events.Timestamp
	row *row
}

func compareMoments(a, b moment) int {
	if c := cmp.Compare(a.at, b.at); c != 0 || a.row == b.row {
		return c
	}
	if a.row == nil || b.row == nil { // the end of all moments at one time, for searches
		if a.row == nil {
			return 1
		}
		return -1
	}
	return cmp.Or(
		cmp.Compare(a.row.id, b.row.id),
		cmp.Compare(a.row.user.id, b.row.user.id),
		cmp.Compare(a.row.user.tenant.id, b.row.user.tenant.id),
	)
}

// settle moves the horizon and closes the rows that expired before it. The
// horizon never goes back, whatever the clock does.
func (s *Store) settle(to time.Time) {
	s.version++
	horizon := stamp(to)
	if horizon <= s.horizon {
		return
	}
	s.horizon = horizon
	var expired []*row
	for m := range s.expiring.all() {
		if m.at > horizon {
			break
		}
		expired = append(expired, m.row)
	}
	for _, r := range expired {
		s.refile(r, func() {})
		r.user.settle(s.version, horizon)
	}
}
