// Package natsfeed is a gateway's feed over NATS.
package natsfeed

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A connection of our own notices a dead line within about six seconds, and tries
// again without end.
const (
	dialTimeout   = 2 * time.Second
	pingInterval  = 2 * time.Second
	pingsOut      = 2
	reconnectWait = 250 * time.Millisecond
	ackTimeout    = 5 * time.Second
	reconnectMore = 500 * time.Millisecond // at random, so that a fleet does not come at once
)

// Config says how to connect; see gateway.NATS for its fields.
type Config struct {
	Conn                      *nats.Conn
	URL, Name                 string
	CredsFile, NKeyFile       string
	CAFile, CertFile, KeyFile string
	InboxPrefix               string
	Options                   []nats.Option
	Tenant                    string
	Logger                    *slog.Logger
}

// Feed follows POS_REVOCATIONS and publishes over one connection.
type Feed struct {
	conn   *nats.Conn
	js     jetstream.JetStream
	owned  bool
	tenant string
	log    *slog.Logger
}

// Open connects, or uses cfg.Conn. Servers that cannot be reached are no error:
// the connection goes on trying.
func Open(cfg Config) (*Feed, error) {
	f := &Feed{conn: cfg.Conn, tenant: cfg.Tenant, log: cfg.Logger}
	if f.conn == nil {
		options, err := cfg.options()
		if err != nil {
			return nil, err
		}
		if f.conn, err = nats.Connect(cfg.URL, options...); err != nil {
			return nil, fmt.Errorf("connect to NATS at %s: %w", redact(cfg.URL), withoutURL(err))
		}
		f.owned = true
	}
	var err error
	if f.js, err = jetstream.New(f.conn, jetstream.WithPublishAsyncTimeout(ackTimeout)); err != nil {
		return nil, errors.Join(fmt.Errorf("use JetStream: %w", err), f.closed())
	}
	return f, nil
}

func (c Config) options() ([]nats.Option, error) {
	options := []nats.Option{
		nats.Name(c.Name), nats.Timeout(dialTimeout),
		nats.PingInterval(pingInterval), nats.MaxPingsOutstanding(pingsOut),
		nats.MaxReconnects(-1), nats.ReconnectWait(reconnectWait), nats.ReconnectJitter(reconnectMore, reconnectMore),
		nats.RetryOnFailedConnect(true),
		// What could not be sent while the line was down is old when it is up again.
		nats.ReconnectBufSize(-1),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			c.Logger.Warn("NATS reports an error", slog.Any("error", err))
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil { // nil means that we closed it
				c.Logger.Warn("NATS is away", slog.Any("error", err))
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { c.Logger.Info("NATS is back") }),
	}
	if c.CredsFile != "" {
		options = append(options, nats.UserCredentials(c.CredsFile))
	}
	if c.NKeyFile != "" {
		option, err := nats.NkeyOptionFromSeed(c.NKeyFile)
		if err != nil {
			return nil, fmt.Errorf("read nkey seed %s: %w", c.NKeyFile, err)
		}
		options = append(options, option)
	}
	if c.CAFile != "" {
		options = append(options, nats.RootCAs(c.CAFile))
	}
	if c.CertFile != "" {
		options = append(options, nats.ClientCert(c.CertFile, c.KeyFile))
	}
	if c.InboxPrefix != "" {
		options = append(options, nats.CustomInboxPrefix(c.InboxPrefix))
	}
	return append(append(options, c.Options...), ownInbox), nil
}

// Close ends a connection of our own.
func (f *Feed) Close() {
	f.js.CleanupPublisher()
	_ = f.closed()
}

func (f *Feed) closed() error {
	if !f.owned {
		return nil
	}
	err := f.conn.FlushTimeout(time.Second)
	f.conn.Close()
	return err
}
