package recorder

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/pkg/token"
)

// busyAfter is when a caller is asked to try again.
const busyAfter = time.Second

// Log is what the recorder needs of the log.
type Log interface {
	eventlog.Appender
	eventlog.Reader
	eventlog.Eraser
}

// Config of a Recorder.
type Config struct {
	// Log to append to. Required.
	Log Log
	// Reader is the read model: it finds the user of a session, and its rows
	// spare reading a user's whole history. Nil means that histories are read
	// from the log, and that administrators and backends end sessions by user
	// only.
	Reader activesessions.Reader
	// Issuer mints tokens for logins. Nil means that backends have tokens of
	// their own; then there is no token endpoint and no key set.
	Issuer *token.Issuer
	// Bus answers commands over NATS and keeps the answers to idempotency keys.
	// Nil means HTTP only, and that a repeated key is recognised by the facts.
	Bus *bus.Conn
	// Policies of the tenants. The zero value means that of the package session.
	Policies Policies
	// Tenants names tenants whose idle sessions are swept besides those that
	// have a policy of their own. Nil means none.
	Tenants func() []string

	// Authenticator knows callers over HTTP. Only Run uses it; required there.
	Authenticator principal.Authenticator
	// Confirmations knows which gateways have heard of a revocation. Nil means
	// that nobody can wait for them.
	Confirmations httpapi.Confirmations
	// Listener is where Run serves HTTP. Required there.
	Listener net.Listener
	// TrustedProxies are the peers whose X-Forwarded-For Run believes; nil means
	// none.
	TrustedProxies []netip.Prefix
	// Version stands in the OpenAPI document and among the NATS services, a
	// semantic version; "" means "0.0.0".
	Version string

	// Room says how much the log can still store. Nil means that nobody asks, and that
	// nothing is kept for ending sessions when it fills up. Only Run asks.
	Room eventlog.Gauge
	// Reserve is how many bytes are kept for ending sessions: logins are refused when
	// less is left, and whatever else is no end when less than half of it is. 0 means
	// eventlog.Reserve.
	Reserve int64
	// RoomEvery is how often Room is asked; 0 means a second.
	RoomEvery time.Duration

	// CachedUsers is how many folded users are kept; 0 means 20,000.
	CachedUsers int
	// MaxConcurrent is how many commands are carried out at once, 3 at least; 0
	// means 64. An eighth of them, and one at least, is for what ends sessions
	// alone, and as many for that and for refreshes. Twice as many of each kind may
	// wait.
	MaxConcurrent int
	// MaxWait is how long logins, refreshes and touches wait to be carried out; 0
	// means 1 s. What ends sessions waits for half the Timeout.
	MaxWait time.Duration
	// Timeout bounds a command; 0 means 8 s, less than commands.Client waits.
	Timeout time.Duration
	// SweepEvery is how often idle sessions are looked for; 0 means a minute.
	SweepEvery time.Duration
	// ReadModelWait is how long an unknown session is waited for, when the read
	// model has not reached the log's end; 0 means 2 s.
	ReadModelWait time.Duration

	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Logger; nil means slog.Default().
	Logger *slog.Logger
	// Metrics is where the metrics are registered; nil means nowhere.
	Metrics prometheus.Registerer
}

func (c Config) withDefaults() (Config, error) {
	if c.Log == nil {
		return c, errors.New("recorder: Config.Log is missing")
	}
	c.Version = cmp.Or(c.Version, "0.0.0")
	c.Reserve = cmp.Or(c.Reserve, eventlog.Reserve)
	c.RoomEvery = cmp.Or(c.RoomEvery, time.Second)
	c.CachedUsers = cmp.Or(c.CachedUsers, 20_000)
	c.MaxConcurrent = cmp.Or(c.MaxConcurrent, 64)
	if c.MaxConcurrent < ranks {
		return c, fmt.Errorf("recorder: Config.MaxConcurrent is %d, want %d at least", c.MaxConcurrent, ranks)
	}
	c.MaxWait = cmp.Or(c.MaxWait, time.Second)
	c.Timeout = cmp.Or(c.Timeout, 8*time.Second)
	c.SweepEvery = cmp.Or(c.SweepEvery, time.Minute)
	c.ReadModelWait = cmp.Or(c.ReadModelWait, 2*time.Second)
	c.Logger = cmp.Or(c.Logger, slog.Default()).With("component", "recorder")
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, nil
}

// now is the moment of a command, to the millisecond that a fact can hold.
func (c Config) now() time.Time { return c.Now().UTC().Truncate(time.Millisecond) }
