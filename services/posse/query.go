package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/services/query"
)

func queryCommand() *cli.Command {
	return &cli.Command{
		Name:  "query",
		Usage: "show who is signed in, and hand Terminate to a recorder",
		Description: `The read side: the Sessions screen at / and the API at /v1. It answers from the
read model, tells screens what changed, and passes on to a recorder, over NATS,
sign-ins to the screen and what ends sessions. ` + "`posse admin-link`" + ` prints a link
that signs an administrator in.

It reads the directory of keys that the recorder makes.`,
		Flags: flags(processFlags(), []cli.Flag{listenFlag()}, natsFlags(), []cli.Flag{
			keysFlag(),
			issuerFlag(),
			postgresFlag("URL of the PostgreSQL database that holds the read model"),
			trustedProxiesFlag(),
		}, signInFlags(), screenFlags()),
		Action: onPostgres((*node).wireQuery),
	}
}

func (n *node) wireQuery(ctx context.Context) error {
	id, err := n.openIdentity(ctx, 0)
	if err != nil {
		return err
	}
	conn, err := n.connect(ctx, n.busConfig())
	if err != nil {
		return err
	}
	store, err := n.openPostgres(ctx)
	if err != nil {
		return err
	}
	gateways, err := n.trackGateways(ctx, conn)
	if err != nil {
		return err
	}
	revocations, err := n.followRevocations(ctx, id.verifier, gateway.FailOpen)
	if err != nil {
		return err
	}
	// Not ready before the deny-set is loaded, but for a few seconds at most, and
	// ready when it is stale: if relays are away they are so for every replica, and
	// then the read model's word on who was signed out is better than no API.
	n.readiness.Add("revocations", revocations.Ready)
	recorder := commands.NewClient(conn, 0)
	ended := endedIn(revocations.Revoked, store)
	authenticator := id.authenticator(ended)
	signIn, err := n.signIn(id, recorder, authenticator, ended, revocations)
	if err != nil {
		return err
	}
	service, err := query.New(query.Config{
		Store: store, Bus: conn, Gateways: gateways, Confirmations: gateways, Authenticator: authenticator, Ender: recorder,
		SignIn: signIn, AvatarHosts: n.cmd.StringSlice("avatar-hosts"), TokenParameter: n.cmd.Bool("token-parameter"),
		MaxScreens: n.maxConnections() / 2, MaxWatchers: n.maxConnections() / 4,
		Logger: n.logger, Metrics: n.registry,
	})
	if err != nil {
		return err
	}
	n.add("changes", service.Run, service.Ready)
	return n.serveAPI(ctx, api{
		title: "posse query", authenticator: authenticator,
		parts: []part{service}, ender: recorder, gateways: gateways, mount: service.Mount,
	})
}
