package main

import "github.com/urfave/cli/v3"

func auditCommand() *cli.Command {
	return &cli.Command{
		Name:  "audit",
		Usage: "read the history, prove it, explain it, and have it forget people",
		Description: `All but forget read the log itself, over NATS, and write nothing to it. With the
shipped permissions, give them the auditor's key: --nats-nkey auditor.nk.

What they show is personal data of all tenants: names, addresses, devices.`,
		Commands: []*cli.Command{
			auditReplayCommand(),
			auditTailCommand(),
			auditExplainCommand(),
			auditVerifyCommand(),
			auditProveCommand(),
			auditCheckProofCommand(),
			auditKeyCommand(),
			auditForgetCommand(),
		},
	}
}
