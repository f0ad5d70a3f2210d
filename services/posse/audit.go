package main

import "github.com/urfave/cli/v3"

func auditCommand() *cli.Command {
	return &cli.Command{
		Name:     "audit",
		Usage:    "read the history, prove it and explain it",
		Commands: []*cli.Command{auditExplainCommand()},
	}
}
