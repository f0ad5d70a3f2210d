package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/services/posse/client"
)

func sessionsCommand() *cli.Command {
	return &cli.Command{
		Name:  "sessions",
		Usage: "list who is or was signed in, and sign devices out",
		Description: `All ask a running posse over its API, with an access token: --token, or better
POSSE_TOKEN or POSSE_TOKEN_FILE. An administrator's token shows and ends the
sessions of everyone in its tenant, any other its owner's.`,
		Commands: []*cli.Command{sessionsListCommand(), sessionsAtCommand(), sessionsTerminateCommand()},
	}
}

// apiFlags say which posse to ask, and as whom.
func apiFlags(more ...cli.Flag) []cli.Flag {
	return append([]cli.Flag{
		text("api", "http://127.0.0.1:8480", "URL of the posse to ask"),
		secret("token", "access token to ask with"),
		toggle("json", "print JSON, for scripts"),
	}, more...)
}

func apiClient(cmd *cli.Command) (*client.Client, error) {
	if err := required(cmd, "token"); err != nil {
		return nil, err
	}
	return client.New(cmd.String("api"), cmd.String("token"))
}

func sessionsListCommand() *cli.Command {
	return &cli.Command{
		Name:  "list",
		Usage: "list sessions, newest activity first",
		Flags: apiFlags(
			text("user", "", "id of a user: list their sessions only"),
			text("filter", "", "part of a username or display name"),
			toggle("ended", "list the sessions that have ended, of --user"),
		),
		Action: sessionsList,
	}
}

func sessionsList(ctx context.Context, cmd *cli.Command) error {
	if cmd.Bool("ended") && cmd.String("user") == "" {
		return errors.New("--ended needs --user: whose ended sessions to list")
	}
	api, err := apiClient(cmd)
	if err != nil {
		return err
	}
	found, err := find(ctx, api, cmd)
	if err != nil {
		return err
	}
	if cmd.Bool("json") {
		return found.writeJSON(cmd.Root().Writer)
	}
	return found.writeTable(cmd.Root().Writer)
}

func find(ctx context.Context, api *client.Client, cmd *cli.Command) (*listing, error) {
	state := "active"
	if cmd.Bool("ended") {
		state = "ended"
	}
	if user := cmd.String("user"); user != "" {
		sessions, position, err := api.Sessions(ctx, user, state)
		return &listing{sessions: sessions, position: position, users: 1}, err
	}
	users, position, err := api.Users(ctx, cmd.String("filter"))
	if err != nil {
		return nil, err
	}
	found := &listing{position: position, users: len(users)}
	for _, user := range users {
		sessions, _, err := api.Sessions(ctx, user.ID, state)
		if err != nil && !isNotFound(err) {
			return nil, err
		}
		found.sessions = append(found.sessions, sessions...)
	}
	return found, nil
}

// isNotFound says that a user is gone since the list of users was made.
func isNotFound(err error) bool {
	problem, ok := errors.AsType[*client.Problem](err)
	return ok && problem.Status == 404
}

func sessionsTerminateCommand() *cli.Command {
	return &cli.Command{
		Name:      "terminate",
		Usage:     "end a session, or all sessions of a user",
		ArgsUsage: "[SESSION]",
		Description: `The very next request of an ended session is refused by every gateway that hears
of it; --wait-gateways waits until all have, and says how long that took.`,
		Flags: apiFlags(
			text("user", "", "id of a user: end all their sessions instead of one"),
			text("except", "", "with --user: id of a session to keep, or \"current\" for that of the token"),
			text("reason", "", "why, for administrators"),
			text("reason-user", "", "why, for the person who is signed out"),
			toggle("wait-gateways", "wait until the gateways confirm"),
		),
		Action: sessionsTerminate,
	}
}

func sessionsTerminate(ctx context.Context, cmd *cli.Command) error {
	end := client.End{
		Session: cmd.Args().First(), User: cmd.String("user"), Except: cmd.String("except"),
		ReasonAdmin: cmd.String("reason"), ReasonUser: cmd.String("reason-user"), WaitGateways: cmd.Bool("wait-gateways"),
	}
	switch {
	case (end.Session == "") == (end.User == ""):
		return fmt.Errorf("%s needs either the id of a session or --user", cmd.FullName())
	case end.Except != "" && end.User == "":
		return errors.New("--except needs --user: whose other sessions to end")
	case cmd.IsSet("except") && end.Except == "":
		return errors.New("--except is empty: name the session to keep, or leave it out to end all")
	}
	api, err := apiClient(cmd)
	if err != nil {
		return err
	}
	ended, err := api.End(ctx, end)
	if err != nil {
		return err
	}
	return writeEnded(cmd.Root().Writer, ended, cmd.Bool("json"))
}
