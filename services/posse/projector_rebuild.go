package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/pkg/activesessions/pgstore"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/process"
	"github.com/posse-pos/posse/services/projector"
)

func projectorRebuildCommand() *cli.Command {
	return &cli.Command{
		Name:  "rebuild",
		Usage: "make the read model anew from the log, while the old one serves",
		Description: `It fills new tables from the first event on, in the schema posse_rebuild, and puts
them in the place of the old ones when they show as much. Nothing need be stopped or
started: queries, recorders and projectors go over to the new tables by themselves.
Only a projector that has halted is to be started again afterwards.

If it is interrupted, the same command goes on where it stopped. --abandon drops what
it has done instead.

With the shipped permissions, give it the projector's key: --nats-nkey projector.nk.
The database needs room for both, and its user the right to create schemas.

The read model of a posse serve without --postgres is in its memory: there a restart
is a rebuild. With --postgres, stop it first and name its directory with --data.`,
		Flags: flags([]cli.Flag{
			postgresFlag("URL of the PostgreSQL database that holds the read model"),
			toggle("keep-old", "keep the tables that served before, in a schema with the moment in its name"),
			toggle("abandon", "drop what a rebuild that was interrupted has done, and do nothing else"),
		}, auditLogFlags()),
		Action: projectorRebuild,
	}
}

func projectorRebuild(ctx context.Context, cmd *cli.Command) error {
	if err := required(cmd, "postgres"); err != nil {
		return fmt.Errorf("%w; the read model of a posse serve without --postgres is in its memory, and a restart rebuilds it", err)
	}
	logger, err := process.NewLogger(cmd.Root().ErrWriter, "warn")
	if err != nil {
		return err
	}
	config := pgstore.Config{URL: cmd.String("postgres"), Logger: logger}
	if cmd.Bool("abandon") {
		return abandonRebuild(ctx, cmd, config)
	}
	conn, done, err := connectToLog(ctx, cmd, logger)
	if err != nil {
		return err
	}
	defer done()
	return runRebuild(ctx, cmd, conn, pgstore.RebuildConfig{Config: config, KeepOld: cmd.Bool("keep-old")})
}

func abandonRebuild(ctx context.Context, cmd *cli.Command, config pgstore.Config) error {
	dropped, err := pgstore.Abandon(ctx, config)
	if err != nil {
		return err
	}
	if !dropped {
		return errors.New("there is no rebuild to abandon")
	}
	fmt.Fprintln(cmd.Root().Writer, "what the rebuild had done is dropped")
	return nil
}

func runRebuild(ctx context.Context, cmd *cli.Command, conn *bus.Conn, config pgstore.RebuildConfig) error {
	log, err := natslog.Open(ctx, conn, natslog.Config{Source: "/posse/projector", Logger: config.Logger})
	if err != nil {
		return err
	}
	store, err := pgstore.OpenRebuild(ctx, config)
	if err != nil {
		return err
	}
	defer store.Close() //nolint:contextcheck // it closes whether or not ctx has ended
	if store.Resumed {
		fmt.Fprintln(cmd.Root().ErrWriter, "goes on with the rebuild that was interrupted")
	}
	bar := &progressBar{}
	if isTerminal(cmd.Root().ErrWriter) {
		bar = barOn(cmd.Root().ErrWriter)
	}
	done, err := projector.Rebuild(ctx, projector.RebuildConfig{
		Log: log, Store: store, Bus: conn, Logger: config.Logger,
		Progress: func(p projector.RebuildProgress) { bar.draw(func() string { return rebuildText(p) }) },
	})
	bar.clear()
	if err != nil && ctx.Err() != nil {
		return errors.New("interrupted, and the old tables serve; the same command goes on from there, --abandon drops what is done")
	}
	if err != nil {
		return err
	}
	sayRebuilt(cmd, done, store.Kept)
	return nil
}

func sayRebuilt(cmd *cli.Command, done projector.Rebuilt, kept string) {
	out := cmd.Root().Writer
	fmt.Fprintf(out, "read %s in %s, %.0f a second; the new tables serve\n",
		count(done.Events, "event"), done.Took.Round(time.Millisecond), done.Rate())
	if kept != "" {
		fmt.Fprintf(out, "the old ones are in the schema %s; when you need them no more: DROP SCHEMA %s CASCADE\n", kept, kept)
	}
}

// rebuildText is [######------]  20%, 12 events.
func rebuildText(p projector.RebuildProgress) string {
	share := 1.0
	if p.At < p.End {
		share = float64(p.At) / float64(p.End)
	}
	return bar(share) + ", " + count(p.Events, "event")
}
