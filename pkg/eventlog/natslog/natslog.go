package natslog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// Config says how the log behaves.
type Config struct {
	// Replicas of each stream, 1 to 5. 0 means 1.
	Replicas int
	// Source says, in what this log quarantines, who did; a URI reference such
	// as "/posse/projector". "" means "/posse".
	Source string
	// Update lets New change streams whose settings differ. false means that New
	// returns a *SettingsError instead.
	Update bool
	// TouchMaxAge is the longest lifetime that a session may have: the last
	// activity of one is kept that long. 0 means DefaultTouchMaxAge.
	TouchMaxAge time.Duration
	// Metrics is where counters are registered. nil means nowhere.
	Metrics prometheus.Registerer
	// Now is the clock that turns an expiry into a TTL. nil means time.Now.
	Now func() time.Time
	// Logger hears of retries, gaps and quarantined messages. nil means
	// slog.Default().
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Replicas == 0 {
		c.Replicas = 1
	}
	if c.Source == "" {
		c.Source = "/posse"
	}
	if c.TouchMaxAge == 0 {
		c.TouchMaxAge = DefaultTouchMaxAge
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

// Log is the log on JetStream. Its methods may be called concurrently.
type Log struct {
	js      jetstream.JetStream
	config  Config
	logger  *slog.Logger
	metrics *metrics
	keys    *keys
	// replicated says that reads may be answered by a server that lags.
	replicated bool
	// deniedConsumer says that the user may not make one to scan with.
	deniedConsumer atomic.Bool
}

var (
	_ eventlog.Log       = (*Log)(nil)
	_ eventlog.RawReader = (*Log)(nil)
)

// New declares the streams and returns the log. Streams that are not there are
// created; streams that are there and differ end it with a *SettingsError that
// lists every difference, unless Config.Update is set. The error wraps ErrDenied
// if the user may not do what is needed.
func New(ctx context.Context, conn *bus.Conn, config Config) (*Log, error) {
	l, err := newLog(conn, config)
	if err != nil {
		return nil, err
	}
	if err := l.declare(ctx); err != nil {
		return nil, err
	}
	l.replicated = l.config.Replicas > 1
	return l, nil
}

// Open returns the log without declaring anything, for roles that may not
// create streams. The error wraps eventlog.ErrNotFound while the streams are
// not there yet, and ErrDenied if the user may not look. How many replicas they have is looked up now and not again.
func Open(ctx context.Context, conn *bus.Conn, config Config) (*Log, error) {
	l, err := newLog(conn, config)
	if err != nil {
		return nil, err
	}
	info, err := l.info(ctx, events.StreamSessions)
	if err != nil {
		return nil, err
	}
	l.replicated = info.Config.Replicas > 1
	return l, nil
}

func newLog(conn *bus.Conn, config Config) (*Log, error) {
	config = config.withDefaults()
	counters, err := newMetrics(config.Metrics)
	if err != nil {
		return nil, err
	}
	l := &Log{js: conn.JetStream(), config: config, logger: config.Logger, metrics: counters}
	l.keys = newKeys(l)
	return l, nil
}

// State returns the extent of a stream as its leader states it.
func (l *Log) State(ctx context.Context, stream string) (eventlog.State, error) {
	info, err := l.info(ctx, stream)
	if err != nil {
		return eventlog.State{}, err
	}
	state := eventlog.State{
		Created:  info.Created.UTC(),
		First:    info.State.FirstSeq,
		Last:     info.State.LastSeq,
		LastTime: info.State.LastTime.UTC(),
	}
	if info.State.Msgs == 0 {
		state.First = state.Last + 1
	}
	state.Missing = state.Last + 1 - state.First - info.State.Msgs
	return state, nil
}

func (l *Log) info(ctx context.Context, stream string) (*jetstream.StreamInfo, error) {
	ctx, cancel := bounded(ctx, readTimeout)
	defer cancel()
	handle, err := l.js.Stream(ctx, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, noStream(stream)
	}
	if err = l.asked("STREAM.INFO."+stream, err); errors.Is(err, ErrDenied) {
		return nil, fmt.Errorf("look up stream %s: %w", stream, err)
	}
	if err != nil {
		return nil, unavailable("look up stream "+stream, err)
	}
	return handle.CachedInfo(), nil
}

func noStream(stream string) error {
	return fmt.Errorf("%w: stream %s does not exist; a recorder, or posse serve, creates it", eventlog.ErrNotFound, stream)
}

// readTimeout bounds one request to the server.
const readTimeout = 5 * time.Second

// bounded is ctx with a deadline at most limit away.
func bounded(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, limit)
}

func unavailable(action string, cause error) error {
	return fmt.Errorf("%w: %s: %w", eventlog.ErrUnavailable, action, cause)
}
