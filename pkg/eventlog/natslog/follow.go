package natslog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	wmetrics "github.com/ThreeDotsLabs/watermill/components/metrics"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"

	"github.com/posse-pos/posse/pkg/eventlog"
)

const (
	defaultMaxBatch = 1000
	firstBackoff    = 50 * time.Millisecond
	maxBackoff      = time.Second
	// staleEnd is how old the statement of an end may be when Idle hears of it.
	staleEnd = 2 * checkInterval
)

// Follow hands a stream to a handler; see eventlog.Follower. A handler that
// panics is called again like one that fails. Idle is called about once a
// second, when everything up to the end that the server stated has been
// handled, also while more keeps coming; a statement that took longer than two
// seconds to reach is dropped. An error of Idle is logged, unless it wraps
// eventlog.ErrHalt.
func (l *Log) Follow(ctx context.Context, config eventlog.FollowConfig, handle eventlog.Handler) error {
	if config.Stream == "" || handle == nil {
		return errors.New("natslog: follow needs a stream and a handler")
	}
	if config.Name == "" {
		config.Name = "follower"
	}
	if config.MaxBatch <= 0 {
		config.MaxBatch = defaultMaxBatch
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f := &following{
		log: l, config: config, handle: handle, halt: cancel,
		publisher: NewPublisher(l), logger: l.logger.With("follower", config.Name, "stream", config.Stream),
	}
	return f.run(ctx)
}

// following is one Follow under way.
type following struct {
	log       *Log
	config    eventlog.FollowConfig
	handle    eventlog.Handler
	publisher message.Publisher
	logger    *slog.Logger
	halt      context.CancelFunc

	mu     sync.Mutex
	halted error
}

func (f *following) run(ctx context.Context) error {
	subscriber := NewSubscriber(f.log, SubscriberConfig{
		Name: f.config.Name, After: f.config.After, BatchSize: f.config.MaxBatch, MaxWait: f.config.MaxWait,
		idle: f.config.Idle != nil, decode: true, sealed: f.config.Sealed,
	})
	router, err := f.router(ctx, subscriber)
	if err != nil {
		return err
	}
	err = errors.Join(router.Run(ctx), subscriber.Close())
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.halted != nil:
		return f.halted
	case subscriber.Err() != nil:
		return fmt.Errorf("natslog: follow %s: %w", f.config.Stream, subscriber.Err())
	case err != nil:
		return fmt.Errorf("natslog: follow %s: %w", f.config.Stream, err)
	default:
		return nil
	}
}

func (f *following) router(ctx context.Context, subscriber message.Subscriber) (*message.Router, error) {
	router, err := message.NewRouter(message.RouterConfig{}, quietWatermill(f.logger))
	if err != nil {
		return nil, fmt.Errorf("natslog: follow %s: %w", f.config.Stream, err)
	}
	if f.log.config.Metrics != nil {
		builder := wmetrics.NewPrometheusMetricsBuilder(f.log.config.Metrics, namespace, subsystem)
		router.AddMiddleware(builder.NewRouterMiddleware().Middleware)
	}
	router.AddMiddleware(f.retry(ctx), middleware.Recoverer)
	router.AddConsumerHandler(f.config.Name, f.config.Stream, subscriber, f.take)
	return router, nil
}

// quietWatermill keeps what the Router says about its own course for those who
// debug it: what matters is said here.
func quietWatermill(logger *slog.Logger) watermill.LoggerAdapter {
	return watermill.NewSlogLoggerWithLevelMapping(logger, map[slog.Level]slog.Level{
		slog.LevelInfo:  slog.LevelDebug,
		slog.LevelError: slog.LevelDebug,
	})
}

func (f *following) retry(ctx context.Context) message.HandlerMiddleware {
	return middleware.Retry{
		MaxRetries:          math.MaxInt32,
		InitialInterval:     firstBackoff,
		MaxInterval:         maxBackoff,
		Multiplier:          1.5,
		RandomizationFactor: 0.3,
		ShouldRetry: func(p middleware.RetryParams) bool {
			if errors.Is(p.Err, eventlog.ErrHalt) {
				f.end(p.Err)
				return false
			}
			if ctx.Err() != nil {
				return false // it was called off, which is no failure
			}
			f.log.metrics.retried.WithLabelValues(f.config.Name).Inc()
			f.logger.Error("batch failed, trying again", "attempt", p.RetryNum+1, "error", p.Err)
			return true
		},
	}.Middleware
}

func (f *following) end(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.halted == nil {
		f.halted = err
	}
	f.halt()
}

// take handles one Watermill message: a batch, or the word that the end is
// reached.
func (f *following) take(m *message.Message) error {
	c := chunkOf(m)
	if len(c.messages) == 0 {
		return f.idle(m.Context(), c)
	}
	if err := f.log.quarantine(m.Context(), f.publisher, f.config.Name, f.config.Stream, c.broken); err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	if err := f.handle(m.Context(), c.batch); err != nil {
		return err
	}
	f.measure(c)
	return nil
}

func toBatch(c chunk) (eventlog.Batch, []rejected) {
	batch := eventlog.Batch{Events: make([]eventlog.Recorded, 0, len(c.messages)), End: c.end, Pending: c.pending}
	var broken []rejected
	for _, m := range c.messages {
		fact, err := decode(c.end.Stream, m)
		if err != nil {
			broken = append(broken, rejected{message: m, reason: err})
			continue
		}
		batch.Events = append(batch.Events, fact)
	}
	return batch, broken
}

func (f *following) idle(ctx context.Context, c chunk) error {
	if time.Since(c.stated) > staleEnd {
		return nil
	}
	err := f.config.Idle(ctx, c.end)
	if err != nil && !errors.Is(err, eventlog.ErrHalt) && ctx.Err() == nil {
		f.logger.Error("idle call failed", "error", err)
		return nil
	}
	return err
}

func (f *following) measure(c chunk) {
	m, name := f.log.metrics, f.config.Name
	m.position.WithLabelValues(name).Set(float64(c.end.Sequence))
	m.pending.WithLabelValues(name).Set(float64(c.pending))
	behind := 0.0
	if c.pending > 0 {
		behind = f.log.config.Now().Sub(c.messages[len(c.messages)-1].Time).Seconds()
	}
	m.behind.WithLabelValues(name).Set(behind)
}
