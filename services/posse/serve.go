package main

import (
	"context"
	"path/filepath"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/fleet"
	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/tokens"
	gatewayservice "github.com/posse-pos/posse/services/gateway"
	"github.com/posse-pos/posse/services/posse/demo"
	"github.com/posse-pos/posse/services/projector"
	"github.com/posse-pos/posse/services/recorder"
)

func serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "run everything in one process: enough for a shop",
		Description: `The log is a NATS JetStream inside the process, on files under --data, with an
fsync behind every write; who is signed in is held in memory and read again from
the log at every start. Ctrl-C ends it and loses nothing, and neither does a
power cut, but for the last moments of "last active".

   http://127.0.0.1:8480         the Sessions screen
   http://127.0.0.1:8480/v1      the API, which /docs explains
   http://127.0.0.1:8480/authz   the gateway, for proxies that ask it
   http://127.0.0.1:8482         the gateway as a proxy itself, with --upstream

It signs what the history is, as ` + "`posse auditor`" + ` does, and lets administrators and
auditors read it at /v1/events. Have --checkpoints on another machine.

The first start makes a backend key, which signs people in, and prints it once.
--demo adds a small shop whose devices sign in, work and leave.`,
		Flags: flags(processFlags(), []cli.Flag{
			toggle("demo", "add a small shop to look at, with --stale-policy fail_closed unless you say otherwise"),
			text("data", "posse-data", "directory of everything that is kept (with --demo: posse-demo)"),
			text("keys", "", "directory of the keys (default: keys in --data)"),
			listenFlag(),
			text("tenant", "default", "tenant of the first backend key, and of tokens that name none (with --demo: shop)"),
			postgresFlag("URL of a PostgreSQL database to hold the read model instead of memory"),
			trustedProxiesFlag(),
		}, retentionFlags(), recorderFlags(), signInFlags(), screenFlags(), group("Gateway",
			stalePolicyFlag(),
			text("proxy-listen", "127.0.0.1:8482", "host:port of the gateway as a proxy, with --upstream"),
			tokenIssuerFlag(),
		), gatewayFlags(), group("NATS",
			text("nats-listen", "", "host:port on which gateways elsewhere reach the NATS inside; nobody can if empty"),
			number("max-storage", 0, "MiB that the NATS inside may store (default: three quarters of what is free when it starts)"),
		), natsFlagsOr("the one inside"), streamFlags(), group("Audit",
			originFlag(),
			text("audit-dir", "", "directory of the tree of hashes over the history (default: audit in --data)"),
			text("checkpoints", "", "where to keep its signed checkpoints, best elsewhere: "+aboutPlaces+" (default: in --data)"),
			checkpointReplicasFlag(),
			checkpointEveryFlag(),
		)),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := applyServeDefaults(cmd); err != nil {
				return err
			}
			n, err := newNode(cmd)
			if err != nil {
				return err
			}
			return n.run(ctx, (&allInOne{node: n}).wire)
		},
	}
}

// applyServeDefaults fills in what depends on other flags, and refuses what
// would fail only after the log was opened.
func applyServeDefaults(cmd *cli.Command) error {
	if cmd.Bool("demo") {
		for name, value := range map[string]string{
			"data": "posse-demo", "tenant": demo.Tenant, "stale-policy": gateway.FailClosed.String(),
			"trusted-proxies": "127.0.0.0/8", "access-lifetime": demoTokenLife.String(),
			"touch-interval": demoTouchInterval.String(),
		} {
			if cmd.IsSet(name) {
				continue
			}
			if err := cmd.Set(name, value); err != nil {
				return err
			}
		}
	}
	for flag, name := range map[string]string{"keys": "keys", "audit-dir": "audit", "checkpoints": "checkpoints"} {
		if cmd.String(flag) != "" {
			continue
		}
		if err := cmd.Set(flag, filepath.Join(cmd.String("data"), name)); err != nil {
			return err
		}
	}
	if _, err := gateway.ParseStalePolicy(cmd.String("stale-policy")); err != nil {
		return err
	}
	if _, err := tokenSources(cmd.StringSlice("token-from")); err != nil {
		return err
	}
	if _, err := parseRetention(cmd); err != nil {
		return err
	}
	_, err := signInConfig(cmd)
	return err
}

// allInOne is `posse serve` in the making.
type allInOne struct {
	*node

	policies recorder.Policies
	keep     projector.Retention
	id       *identity
	key      string // plaintext of the backend key that this start made, or ""
	natsURL  string
	conn     *bus.Conn
	log      *natslog.Log
	room     eventlog.Gauge
	store    readModel
	fleet    *fleet.Tracker
	gateway  *gatewayservice.Service
	foreign  *tokens.Verifier // of tokens that are not posse's own; nil if none are taken
}

type readModel interface {
	activesessions.Reader
	activesessions.Writer
}

// wire puts everything together, from the log outwards.
func (s *allInOne) wire(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		s.openKeys, s.openServeLog, s.signHistory, s.openStore, s.wireServeGateway, s.wireServices,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	s.ready = s.welcome
	return nil
}
