package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/services/posse/natsusers"
)

func natsKeysCommand() *cli.Command {
	return &cli.Command{
		Name:  "nats-keys",
		Usage: "make the keys of the NATS users that a server's configuration names",
		Description: `It reads which variables a configuration such as deployments/nats/accounts.conf
uses, and makes what is missing of

   DIR/recorder.nk          the seed of RECORDER, for --nats-nkey of that role
   DIR/accounts-keys.conf   the file that the configuration includes

In that file $RECORDER_KEY is the public key, $RECORDER_INBOX what the user may
listen to for answers, and $STORE_SEED the seed, for servers that connect to others.

Keys that exist are kept. Delete a seed and run it again for a new key.`,
		Flags: []cli.Flag{
			text("config", "", "configuration of a NATS server that includes the keys (required)"),
			text("dir", "", "directory of the seeds and of the file to include (required)"),
		},
		Action: natsKeys,
	}
}

func natsKeys(_ context.Context, cmd *cli.Command) error {
	if err := required(cmd, "config", "dir"); err != nil {
		return err
	}
	made, err := natsusers.MakeKeys(cmd.String("config"), cmd.String("dir"))
	for _, name := range made {
		fmt.Fprintln(cmd.Root().Writer, name)
	}
	return err
}
