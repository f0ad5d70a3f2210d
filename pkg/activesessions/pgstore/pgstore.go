// Package pgstore is the read model in PostgreSQL 13 or later. What a fact does
// to a row is said in SQL (sql/upsert.sql, sql/touch.sql) and held to
// activesessions.Merge by the conformance suite.
//
// A batch is one transaction with its position. Writers come one after the
// other, readers never wait for them. Nothing that a request asks for scans all
// sessions: users are listed from a summary that moves in steps, totals are kept,
// and what expired since the last write is counted off.
//
// Everything is in one schema, so a read model can be built beside another: see
// Rebuild.
// This package and package pgtest are the only homes of pgx and goose.
package pgstore

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/device"
)

// DefaultSchema is where the tables are if Config.Schema is empty.
const DefaultSchema = "posse"

// knownDevices is how many devices a store remembers not to ask for again.
const knownDevices = 16384

// Config says where a Store keeps its rows.
type Config struct {
	// URL of the database, in any form that libpq takes. Required. The user must
	// own Schema or be allowed to create it.
	URL string
	// Schema for the tables; "" means DefaultSchema.
	Schema string
	// MaxConns bounds the connections; 0 means the greater of 4 and the number
	// of processors, or pool_max_conns in the URL.
	MaxConns int32
	// Now is the clock by which expired sessions leave the summaries; nil means
	// time.Now. Answers depend on the time in the query only.
	Now func() time.Time
	// Logger takes what migrations say; nil means slog.Default().
	Logger *slog.Logger
}

// Store implements activesessions.Writer and activesessions.Reader. All methods
// are safe for concurrent use, by any number of processes.
type Store struct {
	pool     *pgxpool.Pool
	schema   string
	now      func() time.Time
	logger   *slog.Logger
	searches []searching
	// matchesThen is matchesThen, but in tests.
	matchesThen int
	devices     *lru.Cache[string, device.Device]
	stats       statistics
	swept       sweepTimer
	waiters     waiters
}

var (
	_ activesessions.Writer = (*Store)(nil)
	_ activesessions.Reader = (*Store)(nil)
)

// Open connects, creates the tables or brings them up to date, and returns the
// store. The context bounds the opening only. Replicas that open at once wait
// for one another.
func Open(ctx context.Context, config Config) (*Store, error) {
	s := &Store{schema: config.Schema, now: config.Now, logger: config.Logger, searches: searches, matchesThen: matchesThen}
	if s.schema == "" {
		s.schema = DefaultSchema
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.logger == nil {
		s.logger = slog.Default()
	}
	var err error
	if s.devices, err = lru.New[string, device.Device](knownDevices); err != nil {
		return nil, fmt.Errorf("pgstore: %w", err)
	}
	pool, err := poolConfig(config, s.schema)
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, pool.ConnConfig, s.schema, s.logger); err != nil {
		return nil, fmt.Errorf("pgstore: migrate schema %q: %w", s.schema, err)
	}
	if s.pool, err = pgxpool.NewWithConfig(ctx, pool); err != nil {
		return nil, fmt.Errorf("pgstore: connect: %w", err)
	}
	s.waiters.start(s.position) //nolint:contextcheck // the poller outlives the opening; Close ends it
	return s, nil
}

// Close ends all waiting and closes the connections.
func (s *Store) Close() {
	s.waiters.stop()
	s.pool.Close()
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.pool.Ping(ctx); err != nil {
		return fmt.Errorf("pgstore: %w", err)
	}
	return nil
}

func poolConfig(config Config, schema string) (*pgxpool.Config, error) {
	pool, err := pgxpool.ParseConfig(config.URL)
	if err != nil {
		return nil, fmt.Errorf("pgstore: database URL: %w", err) // pgx leaves the password out
	}
	if config.MaxConns > 0 {
		pool.MaxConns = config.MaxConns
	}
	// public is where extensions usually are.
	pool.ConnConfig.RuntimeParams["search_path"] = pgx.Identifier{schema}.Sanitize() + ", public"
	// Compiling takes longer than any statement here.
	pool.ConnConfig.RuntimeParams["jit"] = "off"
	if pool.ConnConfig.RuntimeParams["application_name"] == "" {
		pool.ConnConfig.RuntimeParams["application_name"] = "posse"
	}
	return pool, nil
}

// sweepTimer says when something is due that need not be done at every call.
type sweepTimer struct {
	mu   sync.Mutex
	next time.Time
}

func (t *sweepTimer) due(now time.Time, every time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Before(t.next) && t.next.Sub(now) <= every {
		return false
	}
	t.next = now.Add(every)
	return true
}
