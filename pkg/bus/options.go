package bus

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	dialTimeout   = 2 * time.Second
	reconnectWait = 250 * time.Millisecond
	reconnectRoll = 250 * time.Millisecond // so that a fleet does not return in step
	pingInterval  = 5 * time.Second
	maxPings      = 2
	drainTimeout  = 4 * time.Second // a process has five seconds to end in

	// maxUnacknowledged is how many publishes may wait for the stream's
	// acknowledgement, over all who share the connection; ackTimeout how long.
	maxUnacknowledged = 1 << 14
	ackTimeout        = 10 * time.Second

	// syncQueue is how many answers to one request may wait to be read, more than
	// a page of the log. The library's default of 64 Ki is half a megabyte that
	// every read of a user's history would allocate.
	syncQueue = 4096
)

func jetstreamOptions() []jetstream.JetStreamOpt {
	return []jetstream.JetStreamOpt{
		jetstream.WithPublishAsyncMaxPending(maxUnacknowledged),
		jetstream.WithPublishAsyncTimeout(ackTimeout),
	}
}

func (c *Conn) options(config Config) ([]nats.Option, error) {
	name := config.Name
	if name == "" {
		name = "posse"
	}
	options, err := credentials(config)
	if err != nil {
		return nil, err
	}
	options = append(options,
		nats.Name(name),
		nats.Timeout(dialTimeout),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectRoll, reconnectRoll),
		// Credentials are renewed in place: a refusal today is no reason to give up.
		nats.IgnoreAuthErrorAbort(),
		nats.PingInterval(pingInterval),
		nats.MaxPingsOutstanding(maxPings),
		nats.DrainTimeout(drainTimeout),
		nats.SyncQueueLen(syncQueue),
	)
	if config.InboxPrefix != "" {
		options = append(options, nats.CustomInboxPrefix(config.InboxPrefix))
	}
	if config.InProcess != nil {
		options = append(options, nats.InProcessServer(config.InProcess))
	}
	return append(append(options, c.handlers()...), ownInbox), nil
}

func credentials(config Config) ([]nats.Option, error) {
	if err := readable(config.CredsFile, config.NKeyFile, config.CAFile, config.CertFile, config.KeyFile); err != nil {
		return nil, err
	}
	var options []nats.Option
	if config.CredsFile != "" {
		options = append(options, nats.UserCredentials(config.CredsFile))
	}
	if config.NKeyFile != "" {
		option, err := nats.NkeyOptionFromSeed(config.NKeyFile)
		if err != nil {
			return nil, fmt.Errorf("bus: nkey seed in %s: %w", config.NKeyFile, err)
		}
		options = append(options, option)
	}
	if config.CAFile != "" {
		options = append(options, nats.RootCAs(config.CAFile))
	}
	switch {
	case config.CertFile != "" && config.KeyFile != "":
		options = append(options, nats.ClientCert(config.CertFile, config.KeyFile))
	case config.CertFile != "" || config.KeyFile != "":
		return nil, fmt.Errorf("bus: client certificate %q and key %q: give both or neither", config.CertFile, config.KeyFile)
	}
	return options, nil
}

// readable says now what nats.go would only find when it connects, and report
// as a server that is not there.
func readable(files ...string) error {
	for _, name := range files {
		if name == "" {
			continue
		}
		file, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("bus: credentials: %w", err)
		}
		if err := file.Close(); err != nil {
			return fmt.Errorf("bus: credentials: %w", err)
		}
	}
	return nil
}

func (c *Conn) handlers() []nats.Option {
	return []nats.Option{
		nats.ClosedHandler(func(*nats.Conn) { close(c.closed) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				c.logger.Warn("NATS connection lost, reconnecting", "error", err)
			}
		}),
		nats.ReconnectHandler(func(conn *nats.Conn) {
			c.logger.Info("NATS connection regained", "server", conn.ConnectedUrlRedacted())
		}),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			subject := ""
			if sub != nil {
				subject = sub.Subject
			}
			c.logger.Error("NATS reports an error", "error", err, "subject", subject)
		}),
	}
}

// redacted hides passwords and tokens that stand in URLs.
func redacted(urls string) string {
	list := strings.Split(urls, ",")
	for i, text := range list {
		parsed, err := url.Parse(strings.TrimSpace(text))
		if err != nil {
			list[i] = "(malformed URL)"
			continue
		}
		if parsed.User != nil {
			parsed.User = url.User("REDACTED")
		}
		list[i] = parsed.String()
	}
	return strings.Join(list, ",")
}
