package main

import (
	"context"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/services/auditor/history"
	"github.com/posse-pos/posse/services/auditor/proof"
)

func auditorCommand() *cli.Command {
	return &cli.Command{
		Name:  "auditor",
		Usage: "sign what the history is, so that nobody can change it unseen, and let auditors read it",
		Description: `It reads the history, keeps a tree of hashes of it in --audit-dir, and signs a
checkpoint of the tree into --checkpoints. Have that place on a machine, or in a
NATS, that those who run the history's NATS cannot write to: what lies there is what the
history is held against, by ` + "`posse audit verify`" + `.

If events disappear, or the stream is another one than was read, it halts: it signs
nothing more, /readyz fails and the metric posse_auditor_halted is 1.

With --listen it also serves GET /v1/events: the history, for those whose token has
the role admin or auditor, each of their own tenant. --jwks says who signs the
tokens, such as a recorder. Each read is recorded; ` + "`posse audit trail`" + ` shows that.

The streams must be there: a recorder makes them. A directory has one auditor;
others need directories and places of their own.`,
		Flags: flags(processFlags(), natsFlags(), group("Audit",
			keysFlag(),
			originFlag(),
			auditDirFlag("directory of the tree of hashes; what is lost there is built again"),
			text("checkpoints", "", "where to keep the checkpoints, elsewhere: "+aboutPlaces),
			checkpointReplicasFlag(),
			checkpointEveryFlag(),
		), group("API", append([]cli.Flag{
			text("listen", "", "host:port of GET /v1/events; it is not served if empty"),
			issuerFlag(),
			trustedProxiesFlag(),
		}, foreignTokenFlags()...)...)),
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

func originFlag() cli.Flag {
	return text("origin", "posse/POS_SESSIONS",
		"name of the log in its checkpoints, for the key that is made at the first start; best a URL of yours without https://")
}

func checkpointEveryFlag() cli.Flag {
	return span("checkpoint-every", time.Minute, "how often to sign, if there is something new")
}

func checkpointReplicasFlag() cli.Flag {
	return number("checkpoints-replicas", 1, "copies of an object store that is made for checkpoints: 1, 3 or 5 servers of its cluster")
}

func (n *node) wireAuditor(ctx context.Context) error {
	conn, err := n.connect(ctx, n.busConfig())
	if err != nil {
		return err
	}
	log, err := n.openLog(ctx, conn)
	if err != nil {
		return err
	}
	auditor, err := n.openAuditor(ctx, log)
	if err != nil {
		return err
	}
	n.onEnd("audit directory", auditor.Close)
	n.add("auditor", auditor.Run, auditor.Ready)
	if n.cmd.String("listen") == "" {
		return nil
	}
	return n.serveHistory(ctx, log)
}

// openAuditor opens the directory and the place that the flags name.
func (n *node) openAuditor(ctx context.Context, log *natslog.Log) (*proof.Auditor, error) {
	key, err := proof.OpenKey(n.cmd.String("keys"), n.cmd.String("origin"))
	if err != nil {
		return nil, err
	}
	place, err := n.wirePlace(ctx, n.cmd.String("checkpoints"))
	if err != nil {
		return nil, err
	}
	return proof.New(ctx, proof.Config{
		Log: log, Key: key, Dir: n.cmd.String("audit-dir"), Checkpoints: place,
		Every: n.cmd.Duration("checkpoint-every"), Logger: n.logger, Metrics: n.registry,
	})
}

// serveHistory adds the API of an auditor that runs by itself. It has no read model
// and no keys but those that verify.
func (n *node) serveHistory(ctx context.Context, log *natslog.Log) error {
	//nolint:contextcheck // it fetches keys until it is closed
	verifier, err := n.openVerifier()
	if err != nil {
		return err
	}
	revocations, err := n.followRevocations(ctx, verifier, gateway.FailClosed)
	if err != nil {
		return err
	}
	n.readiness.Add("revocations", revocations.Ready)
	authenticator := sessionsOf(verifier, endedInDenySet(revocations))
	reads, err := n.newHistory(log, authenticator)
	if err != nil {
		return err
	}
	return n.serveAPI(ctx, api{title: "posse auditor", authenticator: authenticator, parts: []part{reads}})
}

func (n *node) newHistory(log *natslog.Log, authenticator principal.Authenticator) (*history.Service, error) {
	return history.New(history.Config{
		Log: log, Trail: log, Authenticator: authenticator, Logger: n.logger, Metrics: n.registry,
	})
}
