package main

import (
	"context"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/services/auditor/proof"
)

func auditorCommand() *cli.Command {
	return &cli.Command{
		Name:  "auditor",
		Usage: "sign what the history is, so that nobody can change it unseen",
		Description: `It reads the history, keeps a tree of hashes of it in --audit-dir, and signs a
checkpoint of the tree into --checkpoints. Have that place on a machine, or in a
NATS, that those who run the history's NATS cannot write to: what lies there is what the
history is held against, by ` + "`posse audit verify`" + `.

If events disappear, or the stream is another one than was read, it halts: it signs
nothing more, /readyz fails and the metric posse_auditor_halted is 1.

The streams must be there: a recorder makes them. A directory has one auditor;
others need directories and places of their own.`,
		Flags: flags(processFlags(), natsFlags(), group("Audit",
			keysFlag(),
			text("origin", "posse/POS_SESSIONS",
				"name of the log in its checkpoints, for the key that is made at the first start; best a URL of yours without https://"),
			auditDirFlag("directory of the tree of hashes; what is lost there is built again"),
			text("checkpoints", "", "where to keep the checkpoints, elsewhere: "+aboutPlaces),
			number("checkpoints-replicas", 1, "copies of an object store that is made for checkpoints: 1, 3 or 5 servers of its cluster"),
			span("checkpoint-every", time.Minute, "how often to sign, if there is something new"),
		)),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := required(cmd, "checkpoints"); err != nil {
				return err
			}
			n, err := newNode(cmd)
			if err != nil {
				return err
			}
			return n.run(ctx, n.wireAuditor)
		},
	}
}

func auditDirFlag(usage string) cli.Flag { return text("audit-dir", "posse-data/audit", usage) }

func (n *node) wireAuditor(ctx context.Context) error {
	key, err := proof.OpenKey(n.cmd.String("keys"), n.cmd.String("origin"))
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
	place, err := n.wirePlace(ctx, n.cmd.String("checkpoints"))
	if err != nil {
		return err
	}
	auditor, err := proof.New(ctx, proof.Config{
		Log: log, Key: key, Dir: n.cmd.String("audit-dir"), Checkpoints: place,
		Every: n.cmd.Duration("checkpoint-every"), Logger: n.logger, Metrics: n.registry,
	})
	if err != nil {
		return err
	}
	n.onEnd("audit directory", auditor.Close)
	n.add("auditor", auditor.Run, auditor.Ready)
	return nil
}
