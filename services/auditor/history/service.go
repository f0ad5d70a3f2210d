// Package history answers GET /v1/events: the history of the caller's tenant, in the
// order of the log, as package replay writes it, for administrators and auditors.
//
// The tenant is the caller's and never a parameter. Each read is recorded in
// POS_AUDIT before its first byte, and refused if that fails. An answer is not held in
// memory; one that could not be written to its end breaks off the connection, so that
// nobody takes it for whole.
package history

import (
	"cmp"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/services/auditor/replay"
)

// Config of a Service.
type Config struct {
	// Log to read. Required.
	Log replay.Log
	// Trail is where each read is recorded. Required.
	Trail eventlog.Trail
	// Authenticator is asked again, while somebody reads, whether they still may.
	// Required.
	Authenticator principal.Authenticator

	// MaxStreams is how many answers a tenant may read at the same time; 0 means 8.
	MaxStreams int
	// Patience is how long an answer waits for a log that is away; 0 means 5 s.
	Patience time.Duration
	// WriteTimeout is how long a client may take for 64 KiB; 0 means 10 s.
	WriteTimeout time.Duration
	// Heartbeat is how often a stream of events that is silent says that it is alive;
	// 0 means 15 s.
	Heartbeat time.Duration
	// CheckEvery is how often it is looked whether the caller may still read; 0 means
	// 2 s.
	CheckEvery time.Duration

	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Logger; nil means slog.Default().
	Logger *slog.Logger
	// Metrics is where the service's metrics are registered; nil means nowhere.
	Metrics prometheus.Registerer
}

func (c Config) withDefaults() (Config, error) {
	if c.Log == nil || c.Trail == nil || c.Authenticator == nil {
		return c, errors.New("history: Config.Log, Config.Trail or Config.Authenticator is missing")
	}
	c.MaxStreams = cmp.Or(c.MaxStreams, 8)
	c.Patience = cmp.Or(c.Patience, 5*time.Second)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 10*time.Second)
	c.Heartbeat = cmp.Or(c.Heartbeat, 15*time.Second)
	c.CheckEvery = cmp.Or(c.CheckEvery, 2*time.Second)
	c.Logger = cmp.Or(c.Logger, slog.Default()).With("component", "history")
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, nil
}

// Service is made with New; Register adds its route to an API.
type Service struct {
	config  Config
	streams streams
	metrics *metrics
}

// New returns a service that answers as soon as its route is served.
func New(config Config) (*Service, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Service{config: config, streams: streams{most: config.MaxStreams, open: map[string]int{}}}
	s.metrics, err = newMetrics(config.Metrics, s.streams.count)
	return s, err
}
