package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/bus"
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
		}),
		Action: onPostgres((*node).wireProjector),
	}
}

func (n *node) wireProjector(ctx context.Context) error {
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
	return n.addProjector(conn, log, store)
}

// addProjector adds what keeps the read model and the gateways in step with the
// log.
func (n *node) addProjector(conn *bus.Conn, log *natslog.Log, store activesessions.Writer) error {
	project, err := projector.New(projector.Config{Log: log, Store: store, Bus: conn, Logger: n.logger, Metrics: n.registry})
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
