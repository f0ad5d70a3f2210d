// Package relay turns revocations in the log into what gateways follow: it reads
// POS_SESSIONS and writes POS_REVOCATIONS.
//
// It keeps no state of its own. The last tick in POS_REVOCATIONS says up to where
// everything has been relayed, so a relay starts there; message ids make what
// several relays write the same thing once. So any number of replicas relay
// everything at the same time and none leads.
//
// A tick promises that every revocation up to a sequence stands before it, and
// that the log ended there at a stated moment. A relay that lags or cannot write
// sends none, and gateways notice that they have heard nothing.
package relay

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// Log is what a relay needs of the log.
type Log interface {
	eventlog.Follower
	eventlog.Revocations
	Read(ctx context.Context, stream string, from uint64, limit int) (eventlog.Batch, error)
	State(ctx context.Context, stream string) (eventlog.State, error)
}

// component is the relay in logs, metrics and ticks.
const component = "relay"

// Config of a Relay.
type Config struct {
	// Log to relay within. Required.
	Log Log
	// Name is what the relay calls itself in its ticks; "" means "relay".
	Name string
	// TickEvery is how often a relay that keeps up says so; 0 means 1 s.
	TickEvery time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Logger; nil means slog.Default().
	Logger *slog.Logger
	// Metrics is where the relay's metrics are registered; nil means nowhere.
	Metrics prometheus.Registerer
}

func (c Config) withDefaults() (Config, error) {
	if c.Log == nil {
		return c, errors.New("relay: Config.Log is missing")
	}
	c.Name = cmp.Or(c.Name, component)
	c.TickEvery = cmp.Or(c.TickEvery, time.Second)
	c.Logger = cmp.Or(c.Logger, slog.Default()).With("component", component, "stream", events.StreamSessions)
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, nil
}
