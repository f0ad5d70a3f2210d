package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/process"
)

// connectPatience is how long a command that does one thing looks for NATS.
const connectPatience = 10 * time.Second

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "examine what posse stands on, and say what to do",
		Description: `It looks at NATS, its streams, the clocks and PostgreSQL, prints one line for each
thing it finds (ok, warning or problem) and what to do about it, and exits with 1
if anything is a problem. It changes nothing. Run it as OPERATOR. Whether each write
is synced to the disk only the servers know: let it ask them with
--nats-system-nkey, or with --nats-monitor for each server.

   posse doctor --nats tls://nats.example:4222 --nats-nkey operator.nk \
     --nats-system-nkey system.nk

With --streams it prints the streams as JSON, one a line, for an operator who
makes them by hand because no role may. Give it the recorders' --policies: a
lifetime over 90 days lengthens how long POS_TOUCHES keeps what it has.

   posse doctor --streams --replicas 3 | while read -r stream; do
     nats stream add --config <(echo "$stream")
   done

With --apply it makes them itself, and changes those that differ.

With --mirror-of it is about the NATS server of a store, a leaf node, instead: the
one stream there mirrors the hub's revocations. It asks the hub about them.

   posse doctor --streams --mirror-of hub --apply --nats-nkey store_operator.nk`,
		Flags: flags(examinationFlags(), []cli.Flag{
			toggle("streams", "print the streams as JSON that `nats stream add --config` takes, instead of examining anything"),
			toggle("apply", "with --streams, make the streams too, and change those that differ"),
			text("mirror-of", "", "with --streams, JetStream domain of the hub: show the stream of a store's own NATS server"),
			replicasFlag(),
			policiesFlag(),
			reserveFlag(),
		}, natsFlags()),
		Action: doctorAction,
	}
}

func doctorAction(ctx context.Context, cmd *cli.Command) error {
	if !cmd.Bool("streams") {
		if cmd.Bool("apply") || cmd.String("mirror-of") != "" {
			return errors.New("--apply and --mirror-of go with --streams")
		}
		return examine(ctx, cmd)
	}
	policies, err := loadPolicies(cmd)
	if err != nil {
		return err
	}
	config := forStreams(cmd, natslog.Config{Update: true}, policies)
	if cmd.String("mirror-of") == "" && !cmd.Bool("apply") {
		return printStreams(cmd, config.StreamConfigs()...)
	}
	conn, err := connectOnce(ctx, cmd)
	if err != nil {
		return err
	}
	defer conn.Close()
	if domain := cmd.String("mirror-of"); domain != "" {
		return doctorMirror(ctx, cmd, conn, config, domain)
	}
	if _, err := natslog.New(ctx, conn, config); err != nil {
		return err
	}
	return printStreams(cmd, config.StreamConfigs()...)
}

func doctorMirror(ctx context.Context, cmd *cli.Command, conn *bus.Conn, config natslog.Config, domain string) error {
	mirror, err := config.MirrorConfig(ctx, conn, domain)
	if err != nil {
		return err
	}
	if cmd.Bool("apply") {
		if err := natslog.Mirror(ctx, conn, config, mirror); err != nil {
			return err
		}
	}
	return printStreams(cmd, mirror)
}

// connectOnce connects for a command that does one thing, and gives up after a
// while.
func connectOnce(ctx context.Context, cmd *cli.Command) (*bus.Conn, error) {
	nats, err := openNATSSettings(cmd)
	if err != nil {
		return nil, err
	}
	return connectAs(ctx, cmd, nats)
}

// connectAs is connectOnce with settings that are known.
func connectAs(ctx context.Context, cmd *cli.Command, nats natsSettings) (*bus.Conn, error) {
	logger, err := process.NewLogger(cmd.Root().ErrWriter, "warn")
	if err != nil {
		return nil, err
	}
	n := &node{cmd: cmd, nats: nats, logger: logger}
	ctx, cancel := context.WithTimeout(ctx, connectPatience)
	defer cancel()
	return bus.Connect(ctx, n.busConfig())
}

func printStreams[S any](cmd *cli.Command, streams ...S) error {
	encoder := json.NewEncoder(cmd.Root().Writer)
	encoder.SetEscapeHTML(false) // subjects end in >
	for _, stream := range streams {
		if err := encoder.Encode(stream); err != nil {
			return err
		}
	}
	return nil
}
