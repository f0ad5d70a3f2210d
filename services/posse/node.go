package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/pkg/process"
)

// wireGrace leaves the admin server a moment after everything else has ended.
const wireGrace = process.DefaultGrace - 500*time.Millisecond

// readyTick is how often a start looks whether everything is ready.
const readyTick = 20 * time.Millisecond

var errStarting = errors.New("is starting")

func listenFlag() cli.Flag {
	return text("listen", "127.0.0.1:8480", "host:port of the API; port 0 takes a free one")
}

func adminListenFlag() cli.Flag {
	return text("admin-listen", "127.0.0.1:9480", "host:port of /metrics, /livez and /readyz; for operators only")
}

// processFlags are those of every command that keeps running.
func processFlags() []cli.Flag {
	return group("Process",
		adminListenFlag(),
		text("log-level", "info", "least level of the JSON log on stderr: debug, info, warn or error"),
		text("ready-file", "", "file to write the addresses to, as JSON, once everything is ready"),
		number("max-connections", 0, "connections that each address takes at once, but for --admin-listen, which takes 256 "+
			"(default: 10000, or a quarter of the files that the process may open)"),
	)
}

// node is a posse process in the making: what is wired is added to it, and runs
// when all is wired.
type node struct {
	cmd        *cli.Command
	nats       natsSettings
	logger     *slog.Logger
	registry   *prometheus.Registry
	readiness  process.Readiness
	components []process.Component
	addresses  process.Announcement
	// ready is called once, when the process takes requests; nil means nothing.
	ready func(ctx context.Context) error
}

// onPostgres runs a role that cannot do without the read model in PostgreSQL.
func onPostgres(wire func(*node, context.Context) error) cli.ActionFunc {
	return func(ctx context.Context, cmd *cli.Command) error {
		if err := required(cmd, "postgres"); err != nil {
			return err
		}
		n, err := newNode(cmd)
		if err != nil {
			return err
		}
		return n.run(ctx, func(ctx context.Context) error { return wire(n, ctx) })
	}
}

func newNode(cmd *cli.Command) (*node, error) {
	logger, err := process.NewLogger(cmd.Root().ErrWriter, cmd.String("log-level"))
	if err != nil {
		return nil, err
	}
	nats, err := openNATSSettings(cmd)
	if err != nil {
		return nil, err
	}
	return &node{cmd: cmd, nats: nats, logger: logger, registry: process.NewRegistry(), addresses: process.Announcement{}}, nil
}

// add has something run, after what was added before and until that ends. A nil
// ready means that it is ready as soon as it is added.
func (n *node) add(name string, run func(context.Context) error, ready func() error) {
	n.components = append(n.components, process.Component{Name: name, Run: run})
	if ready != nil {
		n.readiness.Add(name, ready)
	}
}

// onEnd has something closed when everything that was added later has ended.
func (n *node) onEnd(name string, end func() error) {
	n.add(name, func(ctx context.Context) error {
		<-ctx.Done()
		return end()
	}, nil)
}

// serve adds an HTTP server. It listens at once, so that nothing else fails
// before an address that is taken does.
func (n *node) serve(ctx context.Context, name, address string, handler http.Handler) error {
	return n.serveWithin(ctx, n.limits(), name, address, handler)
}

func (n *node) serveWithin(ctx context.Context, limits process.Limits, name, address string, handler http.Handler) error {
	listener, err := process.Listen(ctx, name, address)
	if err != nil {
		return err
	}
	n.addresses[name] = process.URL("http", listener)
	server := process.HTTPServer{Name: name, Listener: listener, Handler: handler, Limits: limits, Metrics: n.registry, Logger: n.logger}
	n.components = append(n.components, server.Component())
	return nil
}

// adminLimits are those of the admin address. It stays within reach when the others
// are full.
var adminLimits = process.Limits{MaxConnections: 256}

// limits are those of every other address.
func (n *node) limits() process.Limits { return process.Limits{MaxConnections: n.maxConnections()} }

// maxConnections bounds the streams of changes as well: a quarter of the connections
// are left for whoever asks something.
func (n *node) maxConnections() int {
	return cmp.Or(n.cmd.Int("max-connections"), process.DefaultMaxConnections())
}

// run serves the admin endpoints, wires, and runs what was wired until ctx ends.
func (n *node) run(ctx context.Context, wire func(ctx context.Context) error) error {
	admins := process.AdminHandler(n.registry, &n.readiness)
	if err := n.serveWithin(ctx, adminLimits, "admin", n.cmd.String("admin-listen"), admins); err != nil {
		return err
	}
	var wired atomic.Bool
	n.readiness.Add(n.cmd.Name, func() error {
		if !wired.Load() {
			return errStarting
		}
		return nil
	})
	admin := n.components
	n.components = nil
	main := process.Component{Name: n.cmd.Name, Run: func(ctx context.Context) error {
		failure := wire(ctx)
		if failure == nil {
			wired.Store(true)
			n.add("announcement", n.announce, nil)
		}
		return n.runWired(ctx, failure)
	}}
	return process.Group{Components: append(admin, main), Logger: n.logger}.Run(ctx)
}

// runWired runs the components. After a failure they only get to close what they
// hold.
func (n *node) runWired(ctx context.Context, failure error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if failure != nil {
		cancel()
	}
	err := process.Group{Components: n.components, Grace: wireGrace, Logger: n.logger}.Run(ctx)
	return errors.Join(failure, err)
}

// announce says where the process listens once everything is ready.
func (n *node) announce(ctx context.Context) error {
	if !n.untilReady(ctx) {
		return nil
	}
	n.logger.InfoContext(ctx, "ready", slog.Any("addresses", n.addresses))
	if n.ready != nil {
		if err := n.ready(ctx); err != nil {
			return err
		}
	}
	if file := n.cmd.String("ready-file"); file != "" {
		if err := n.addresses.Write(file); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return nil
}

// untilReady waits until everything is ready, and returns false when ctx ends
// first.
func (n *node) untilReady(ctx context.Context) bool {
	tick := time.NewTicker(readyTick)
	defer tick.Stop()
	for len(n.readiness.Unready()) > 0 {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}
