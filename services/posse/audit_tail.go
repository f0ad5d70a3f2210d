package main

import (
	"context"
	"errors"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/services/auditor/replay"
)

func auditTailCommand() *cli.Command {
	return &cli.Command{
		Name:  "tail",
		Usage: "write what the log stores from now on, until interrupted",
		Description: `It is posse audit replay --follow that begins at the end of the log, or where
--since or --from-seq say. To lose nothing between two runs use that with --state.

That it reads is recorded first, as for replay.

   posse audit tail --tenant shop --type session.revoked --format table`,
		Flags:  flags(auditQueryFlags(), auditFormatFlags(), natsFlags()),
		Action: auditTail,
	}
}

func auditTail(ctx context.Context, cmd *cli.Command) error {
	query, err := auditQuery(cmd)
	if err != nil {
		return err
	}
	if cmd.String("format") == parquetFormat {
		return errors.New("posse audit tail does not write parquet; posse audit replay does")
	}
	encoder, err := auditEncoder(cmd.String("format"))
	if err != nil {
		return err
	}
	query.Follow = true
	query.AtEnd = query.Since.IsZero() && query.From == 0
	return runReplay(ctx, cmd, replay.Config{Query: query, Sink: replay.NewLines(encoder, cmd.Root().Writer)})
}
