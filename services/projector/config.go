// Package projector folds the log into the read model and tells the screens what
// changed. Package relay beside it folds the log into what gateways follow.
//
// A stream's follower, one for POS_SESSIONS and one for POS_TOUCHES:
//
//	read checkpoint ─▶ follow from it ─▶ per batch: parse new devices ─▶ apply rows
//	      ▲                                   ▲    and position together ─▶ announce
//	      │                                   └───────────────────────────────┘
//	      ├── fenced: another projector moved the position, pause, read it again
//	      └── gap: POS_SESSIONS does not continue here ─▶ halted, for a person to look at;
//	          POS_TOUCHES, which may lose its end in a power cut, is read from its start
//
// Rows are a lattice and the position is fenced in the store, so that any number
// of projectors may run: one of them gets each batch in, the others step back.
// An announcement goes out after its commit, so a screen that reads because of it
// never sees less than was announced.
package projector

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/device"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// Log is what a projector needs of the log.
type Log interface {
	eventlog.Follower
	eventlog.Eraser
	State(ctx context.Context, stream string) (eventlog.State, error)
}

// Publisher sends on core NATS; *bus.Conn is one.
type Publisher interface {
	Publish(subject string, data []byte) error
}

// Config of a Projector.
type Config struct {
	// Log to read. Required.
	Log Log
	// Store to write. Required.
	Store activesessions.Writer
	// Bus to announce changes on; nil means that nothing is announced.
	Bus Publisher
	// Parser of devices; nil means a new one of the default size.
	Parser *device.Parser
	// Parsers is how many new user agents are parsed at the same time; 0 means 2.
	Parsers int
	// MaxBatch is the most events in one transaction; 0 means 2000.
	MaxBatch int
	// AnnounceEvery is how long changes of a tenant are gathered before they are
	// announced; those that people wait for go out at once. 0 means 250 ms.
	AnnounceEvery time.Duration
	// Retention is how long ended sessions are kept, by tenant; the zero value means
	// MinRetention, and nothing shorter is taken.
	Retention Retention
	// Swept is told of what a sweep takes away of each tenant; nil means that nobody
	// is. It is called before that is taken, and nothing of the tenant is taken in this
	// sweep if it fails. So no sweep goes unrecorded: a projector that dies in between,
	// or cannot reach its store, tells of the same again at the next sweep, with a later
	// moment; and projectors that sweep at the same time tell of it each.
	Swept func(ctx context.Context, swept Swept) error
	// SweepEvery is how often they are looked for; 0 means an hour.
	SweepEvery time.Duration
	// StandBy is the longest pause of a projector that finds another one at work;
	// 0 means 2 s.
	StandBy time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Logger; nil means slog.Default().
	Logger *slog.Logger
	// Metrics is where the projector's metrics are registered; nil means nowhere.
	Metrics prometheus.Registerer
}

func (c Config) withDefaults() (Config, error) {
	if c.Log == nil || c.Store == nil {
		return c, errors.New("projector: Config.Log or Config.Store is missing")
	}
	if err := c.Retention.validate(); err != nil {
		return c, err
	}
	c.Parsers = cmp.Or(c.Parsers, 2)
	c.MaxBatch = cmp.Or(c.MaxBatch, 2000)
	c.AnnounceEvery = cmp.Or(c.AnnounceEvery, 250*time.Millisecond)
	c.SweepEvery = cmp.Or(c.SweepEvery, time.Hour)
	c.StandBy = cmp.Or(c.StandBy, 2*time.Second)
	c.Logger = cmp.Or(c.Logger, slog.Default()).With("component", "projector")
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, nil
}
