package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/services/projector"
	"github.com/posse-pos/posse/services/projector/relay"
)

func projectorCommand() *cli.Command {
	return &cli.Command{
		Name:  "projector",
		Usage: "fold the log into the read model, and relay revocations to the gateways",
		Description: `It has no API. Several projectors may run: one of them writes the read model at a
time, and all of them relay, so that none has to be elected.

The streams must be there: a recorder makes them.`,
		Flags: flags(processFlags(), natsFlags(), []cli.Flag{
			postgresFlag("URL of the PostgreSQL database that holds the read model"),
		}, retentionFlags()),
		Action:   onPostgres((*node).wireProjector),
		Commands: []*cli.Command{projectorRebuildCommand()},
	}
}

func retentionFlags() []cli.Flag {
	return []cli.Flag{
		text("retention", "403d", "how long sessions are kept after they ended; 403d, 13 months, is the least"),
		texts("tenant-retention", "TENANT=DURATION: how long a tenant keeps them, such as north=730d; repeat it for several"),
	}
}

func parseRetention(cmd *cli.Command) (projector.Retention, error) {
	keep, err := projector.ParseRetention(cmd.String("retention"), cmd.StringSlice("tenant-retention"))
	if err != nil {
		return keep, fmt.Errorf("--retention, --tenant-retention: %w", err)
	}
	return keep, nil
}

func (n *node) wireProjector(ctx context.Context) error {
	keep, err := parseRetention(n.cmd)
	if err != nil {
		return err
	}
	conn, err := n.connect(ctx, n.busConfig())
	if err != nil {
		return err
	}
	log, err := n.openLog(ctx, conn)
	if err != nil {
		return err
	}
	store, err := n.openPostgres(ctx)
	if err != nil {
		return err
	}
	return n.addProjector(conn, log, store, keep)
}

// noteSwept records what a sweep takes away.
func noteSwept(trail eventlog.Trail) func(context.Context, projector.Swept) error {
	return func(ctx context.Context, swept projector.Swept) error {
		now := time.Now()
		_, err := trail.Note(ctx, events.AuditEnvelope{
			ID: uuid.NewString(), Source: "/posse/projector", Time: now,
			Fact: events.RetentionSwept{
				Tenant: swept.Tenant, EventTimestamp: events.TimestampOf(now), Before: events.TimestampOf(swept.Before),
				Sessions: uint64(swept.Sessions), Keys: uint64(swept.Keys),
			},
		})
		return err
	}
}

// addProjector adds what keeps the read model and the gateways in step with the
// log.
func (n *node) addProjector(conn *bus.Conn, log *natslog.Log, store activesessions.Writer, keep projector.Retention) error {
	project, err := projector.New(projector.Config{
		Log: log, Store: store, Bus: conn, Retention: keep, Swept: noteSwept(log), Logger: n.logger, Metrics: n.registry,
	})
	if err != nil {
		return err
	}
	n.add("projector", project.Run, project.Ready)
	relaying, err := relay.New(relay.Config{Log: log, Name: instanceName(), Logger: n.logger, Metrics: n.registry})
	if err != nil {
		return err
	}
	n.add("relay", relaying.Run, relaying.Ready)
	return nil
}
