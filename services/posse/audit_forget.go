package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v3"
)

func auditForgetCommand() *cli.Command {
	return &cli.Command{
		Name:      "forget",
		Usage:     "make the history forget who a user was, for good",
		ArgsUsage: "USER",
		Description: `It ends all sessions of the user and destroys the keys of what the history says
about the person: username, display name, avatar, device labels, user agents,
addresses, reasons. No backup of those keys is kept by posse, so nothing brings
it back. Ids, times and causes stay, and the proofs of the history still hold.

It asks a running posse over its API, as an administrator: --token, or better
POSSE_TOKEN or POSSE_TOKEN_FILE.`,
		Flags: apiFlags(
			toggle("yes", "do it; without it, the command only says what it would do"),
			toggle("wait-gateways", "wait until the gateways refuse the sessions that ended"),
		),
		Action: auditForget,
	}
}

func auditForget(ctx context.Context, cmd *cli.Command) error {
	user := cmd.Args().First()
	if cmd.Args().Len() != 1 || user == "" {
		return fmt.Errorf("%s needs the id of one user", cmd.FullName())
	}
	api, err := apiClient(cmd)
	if err != nil {
		return err
	}
	out := cmd.Root().Writer
	if !cmd.Bool("yes") {
		sessions, _, err := api.Sessions(ctx, user, "active")
		if err != nil && !isNotFound(err) {
			return err
		}
		return errors.New("nothing is forgotten yet: this would sign user " + quoted(user) + " out of " +
			count(len(sessions), "session") + " and forget the person for good; say --yes to do it")
	}
	ended, err := api.Forget(ctx, user, cmd.Bool("wait-gateways"))
	if err != nil {
		return err
	}
	if cmd.Bool("json") {
		return writeJSON(out, ended)
	}
	fmt.Fprintf(out, "user %s is forgotten, from position %d of the log on\n", quoted(user), ended.Position)
	return writeEnded(out, ended, false)
}
