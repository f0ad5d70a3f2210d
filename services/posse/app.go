package main

import (
	"context"
	"fmt"
	"io"

	"github.com/urfave/cli/v3"
)

const appHelp = `Start with ` + "`posse serve --demo`" + `: one process, one port, a small shop to look at.

Larger installations run the roles as processes of their own, any number of
each, around a NATS JetStream and a PostgreSQL.

Every flag can be given as an environment variable: --log-level is
POSSE_LOG_LEVEL. A secret can be kept in a file: POSSE_TOKEN_FILE names a file
that holds the value of --token.`

// newApp returns the command line, writing answers to out and usage errors to
// errOut.
func newApp(out, errOut io.Writer) *cli.Command {
	app := &cli.Command{
		Name:        "posse",
		Usage:       "who is signed in at the tills, and how to sign them out",
		Description: appHelp,
		Writer:      out,
		ErrWriter:   errOut,
		HideVersion: true,
		// Errors are printed once, by main.
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
		Commands: append(benchChildren(),
			serveCommand(),
			recorderCommand(),
			projectorCommand(),
			queryCommand(),
			gatewayCommand(),
			gatewayConformanceCommand(),
			auditorCommand(),
			auditCommand(),
			sessionsCommand(),
			adminLinkCommand(),
			keysCommand(),
			natsKeysCommand(),
			doctorCommand(),
			benchCommand(),
			healthcheckCommand(),
			versionCommand(),
		),
	}
	finish(app)
	return app
}

// finish gives every command what all of them have in common.
func finish(command *cli.Command) {
	command.HideHelpCommand = true
	command.OnUsageError = usageError
	if command.Action == nil {
		command.Action = rejectUnknown
	} else {
		command.Before = checkSources
	}
	command.Flags = append(command.Flags, &cli.BoolFlag{
		Name: "help", Aliases: []string{"h"}, Usage: "show help", HideDefault: true, Local: true,
	})
	for _, flag := range command.Flags {
		if described, ok := flag.(interface{ SetStringer(text cli.FlagStringFunc) }); ok {
			described.SetStringer(flagText)
		}
	}
	for _, child := range command.Commands {
		finish(child)
	}
}

// rejectUnknown shows the help of a command that only has subcommands, and says
// so when the subcommand does not exist.
func rejectUnknown(_ context.Context, cmd *cli.Command) error {
	if name := cmd.Args().First(); name != "" {
		return fmt.Errorf("there is no command %q; `%s --help` lists them", name, cmd.FullName())
	}
	return cli.ShowSubcommandHelp(cmd)
}
