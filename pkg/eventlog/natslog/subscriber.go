package natslog

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/posse-pos/posse/pkg/eventlog"
)

// SubscriberConfig says what a Subscriber hands out.
type SubscriberConfig struct {
	// Name appears in logs, metrics and the names of consumers. "" means
	// "subscriber".
	Name string
	// After is the position to continue from; its Stream is not looked at. The
	// zero Position means from the first message.
	After eventlog.Position
	// BatchSize is the most stored messages in one Watermill message. 0 means 1:
	// the payload is then that message's own.
	BatchSize int
	// MaxWait is how long a batch may wait to fill. 0 means 5 ms.
	MaxWait time.Duration
	// MaxInFlight is how many Watermill messages may be out before the first is
	// acknowledged. With 0, or 1, they are handled strictly one after the other;
	// with more, a Router handles them at once and in any order.
	MaxInFlight int

	// idle asks for a message without stored ones about once a second, when
	// everything up to the end that the server stated has been acknowledged.
	idle bool
	// decode has chunks say what their messages mean, and sealed that without what
	// they say about people.
	decode, sealed bool
}

// Subscriber is a Watermill subscriber on one stream. The topic is the stream's
// name. A message that is not acknowledged (Nack) is handed out again after a
// moment. It reads without a durable consumer: where to continue is up to
// whoever commits positions, and nothing is acknowledged to the server.
type Subscriber struct {
	log    *Log
	config SubscriberConfig

	ctx    context.Context //nolint:containedctx // ends every subscription, at Close
	cancel context.CancelFunc

	mu      sync.Mutex
	err     error
	running sync.WaitGroup
}

var _ message.Subscriber = (*Subscriber)(nil)

const defaultMaxWait = 5 * time.Millisecond

// NewSubscriber returns a subscriber that reads nothing before Subscribe.
func NewSubscriber(l *Log, config SubscriberConfig) *Subscriber {
	if config.Name == "" {
		config.Name = "subscriber"
	}
	if config.MaxWait <= 0 {
		config.MaxWait = defaultMaxWait
	}
	config.BatchSize = max(config.BatchSize, 1)
	config.MaxInFlight = max(config.MaxInFlight, 1)
	ctx, cancel := context.WithCancel(context.Background())
	return &Subscriber{log: l, config: config, ctx: ctx, cancel: cancel}
}

// Subscribe reads a stream until ctx ends, the subscriber is closed or the
// stream cannot be continued; then the channel is closed and Err says why.
func (s *Subscriber) Subscribe(ctx context.Context, stream string) (<-chan *message.Message, error) {
	if s.ctx.Err() != nil {
		return nil, errors.New("natslog: subscriber is closed")
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.ctx, cancel) //nolint:contextcheck // the end of either ends the subscription
	after := s.config.After
	after.Stream = stream
	sub := newSubscription(s, after)
	s.running.Go(func() {
		defer cancel()
		defer stop()
		sub.run(ctx, s.fail)
	})
	return sub.out, nil
}

// Err returns why a subscription ended by itself: an error that wraps
// eventlog.ErrGap or eventlog.ErrNotFound. nil while it goes on and after a
// wanted end.
func (s *Subscriber) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *Subscriber) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
}

// Close ends all subscriptions and waits for them. It may be called again.
func (s *Subscriber) Close() error {
	s.cancel()
	s.running.Wait()
	return nil
}
