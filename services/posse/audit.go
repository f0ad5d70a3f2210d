package main

import "github.com/urfave/cli/v3"

func auditCommand() *cli.Command {
	return &cli.Command{
		Name:  "audit",
		Usage: "read the history, prove it, explain it, and have it forget people",
		Description: `All but forget read the log itself, over NATS, and change nothing in it; those that
show events record, in a stream of its own, that they do. With the shipped
permissions, give them the auditor's key: --nats-nkey auditor.nk.

The NATS inside posse serve lets nobody else in: stop it, or copy its data directory,
and name the directory with --data.

What they show is personal data of all tenants: names, addresses, devices.`,
		Commands: []*cli.Command{
			auditReplayCommand(),
			auditTailCommand(),
			auditTrailCommand(),
			auditExplainCommand(),
			auditVerifyCommand(),
			auditProveCommand(),
			auditCheckProofCommand(),
			auditKeyCommand(),
			auditForgetCommand(),
		},
	}
}
