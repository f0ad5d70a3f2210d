package main

import (
	"context"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/services/posse/bench"
)

func benchCommand() *cli.Command {
	return &cli.Command{
		Name:  "bench",
		Usage: "measure posse on this machine against the limits it could reach",
		Description: `Each figure stands beside what bare JetStream, bare PostgreSQL or the bare
library does in the same run, as a ratio, and beside the aim. It judges nothing.

The parts are ` + strings.Join(bench.Parts(), ", ") + `.
All together take about half an hour; verify about ten minutes and as many GB in --dir,
projector, screen, commands and revocations three to five minutes each, gateways,
watchers, replay and rebuild two, and the others less than one.`,
		Flags: []cli.Flag{
			secret("postgres", "URL of an empty PostgreSQL database, for the parts projector, rebuild, watchers, screen and commands"),
			texts("only", "parts to measure, if not all"),
			number("users", 200_000, "users in the log for the part commands"),
			number("events", 0, "events in the log for the parts commands (0: 2000000), replay (0: 1000000), "+
				"verify (0: 10000000) and rebuild (0: 100000)"),
			number("gateways", 1000, "gateways that the part gateways connects"),
			number("revocations", 1_000_000, "live revocations that the part revocations fills the stream with"),
			number("burst", 100_000, "revocations that it then adds at once"),
			number("rounds", 3, "how often each comparison alternates; medians are printed"),
			text("dir", "", "directory for the logs while they are measured (default: a temporary one)"),
		},
		Action: runBench,
	}
}

// benchChildren are what parts run beside themselves: gateways, revocations, replay and
// verify a bus, and overload a recorder.
func benchChildren() []*cli.Command {
	return []*cli.Command{{
		Name:   "bench-bus",
		Hidden: true,
		Flags:  []cli.Flag{text("dir", "", "directory for the log"), toggle("volatile", "do not sync what is written")},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			return bench.ServeBus(ctx, cmd.String("dir"), cmd.Bool("volatile"), cmd.Root().Reader, cmd.Root().Writer)
		},
	}, {
		Name:   "bench-recorder",
		Hidden: true,
		Flags:  []cli.Flag{text("dir", "", "directory for the log")},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			return bench.ServeRecorder(ctx, cmd.String("dir"), cmd.Root().Reader, cmd.Root().Writer)
		},
	}}
}

func runBench(ctx context.Context, cmd *cli.Command) error {
	return bench.Run(ctx, bench.Config{
		Postgres: cmd.String("postgres"), Dir: cmd.String("dir"), Only: cmd.StringSlice("only"),
		Gateways: cmd.Int("gateways"), Revocations: cmd.Int("revocations"), Burst: cmd.Int("burst"),
		Users: cmd.Int("users"), Events: cmd.Int("events"), Rounds: cmd.Int("rounds"), Out: cmd.Root().Writer,
	})
}
