// Package bus is everything that posse does over NATS but the log: it connects,
// announces and listens on core subjects, asks and answers commands with the
// micro services of nats.go, and keeps short-lived answers in a key-value
// bucket. The log itself is pkg/eventlog/natslog, which takes its JetStream
// context from a Conn.
//
// Nothing of nats.go but that context appears in its API.
package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

var (
	// ErrNoResponders says that nobody answers on the subject.
	ErrNoResponders = errors.New("bus: no responders")
	// ErrTimeout says that no answer came in time: whether the request was acted
	// on is unknown.
	ErrTimeout = errors.New("bus: no answer in time")
	// ErrUnreachable says that no server could be connected to.
	ErrUnreachable = errors.New("bus: NATS is unreachable")
)

// DefaultURL is the server that an empty Config.URL means.
const DefaultURL = nats.DefaultURL

// Config says how to connect.
type Config struct {
	// URL is one server or several, separated by commas. "" means DefaultURL.
	URL string
	// Name is what the server's operator sees of this connection. "" means "posse".
	Name string

	// CredsFile holds a user's JWT and key; "" means none.
	CredsFile string
	// NKeyFile holds a user's nkey seed; "" means none.
	NKeyFile string
	// CAFile holds the certificates that the server's must descend from, in PEM.
	// "" means those of the system.
	CAFile string
	// CertFile and KeyFile hold this client's certificate and key, in PEM; both
	// or neither.
	CertFile, KeyFile string

	// InboxPrefix begins the subjects on which this connection awaits answers, so
	// that permissions can keep others from listening there. "" means
	// "_INBOX.<public key>" for a user with an nkey or credentials, otherwise
	// "_INBOX".
	InboxPrefix string
	// InProcess connects without a network to a server in this process, such as
	// a *server.Server of nats-server. nil means by URL.
	InProcess InProcessServer
	// Replicas of the buckets that KeyValue creates. 0 means 1.
	Replicas int
	// Logger hears of lost and regained connections. nil means slog.Default().
	Logger *slog.Logger
}

// InProcessServer is what an embedded nats-server offers.
type InProcessServer interface {
	InProcessConn() (net.Conn, error)
}

// Conn is a connection that finds its way back by itself, for as long as it is
// not closed. Its methods may be called concurrently.
type Conn struct {
	nats     *nats.Conn
	js       jetstream.JetStream
	replicas int
	logger   *slog.Logger
	closed   chan struct{}
}

// Connect connects, and tries again until ctx ends when no server is there yet.
// A server that refuses the credentials, and a file that cannot be read, end it
// at once. Errors: ErrUnreachable when ctx ended first.
func Connect(ctx context.Context, config Config) (*Conn, error) {
	c := &Conn{replicas: max(config.Replicas, 1), logger: config.Logger, closed: make(chan struct{})}
	if c.logger == nil {
		c.logger = slog.Default()
	}
	options, err := c.options(config)
	if err != nil {
		return nil, err
	}
	url := config.URL
	if url == "" {
		url = DefaultURL
	}
	if c.nats, err = dial(ctx, url, options); err != nil {
		return nil, err
	}
	if c.js, err = jetstream.New(c.nats, jetstreamOptions()...); err != nil {
		c.nats.Close()
		return nil, fmt.Errorf("bus: JetStream context: %w", err)
	}
	return c, nil
}

func dial(ctx context.Context, url string, options []nats.Option) (*nats.Conn, error) {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 50*time.Millisecond, 2*time.Second
	var last error
	conn, err := backoff.Retry(ctx, func() (*nats.Conn, error) {
		conn, err := nats.Connect(url, options...)
		if err != nil && !worthRetrying(err) {
			return nil, backoff.Permanent(err)
		}
		last = err
		return conn, err
	}, backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(0))
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%w: connect to %s: %w", ErrUnreachable, redacted(url), errors.Join(ctx.Err(), last))
	default:
		return nil, fmt.Errorf("bus: connect to %s: %w", redacted(url), err)
	}
}

// worthRetrying tells a server that is not there yet from one that will give
// the same answer for ever.
func worthRetrying(err error) bool {
	var network net.Error
	var operation *net.OpError
	return errors.Is(err, nats.ErrNoServers) || errors.Is(err, nats.ErrTimeout) ||
		errors.As(err, &network) || errors.As(err, &operation)
}

// JetStream is for the log's implementation only.
func (c *Conn) JetStream() jetstream.JetStream { return c.js }

// Healthy reports whether a server is connected right now.
func (c *Conn) Healthy() bool { return c.nats.IsConnected() }

// Close lets subscribers finish what they have, sends what is buffered and
// disconnects. It may be called again.
func (c *Conn) Close() {
	if c.nats.IsConnected() && c.nats.Drain() == nil {
		<-c.closed
		return
	}
	c.nats.Close()
	<-c.closed
}
