package main

import (
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/services/auditor/proof"
)

func auditVerifyCommand() *cli.Command {
	return &cli.Command{
		Name:  "verify",
		Usage: "prove that the history is what was signed, from its first event on",
		Description: `It reads every event again and compares with every checkpoint. It prints a line for
each thing that is not as it was signed, with the first event concerned, and then
exits with status 1.

With --audit-dir it names single events; with checkpoints alone the range between
two of them. Give --checkpoints again for a copy of them that is kept elsewhere:
each place must have what the others have.

   posse audit verify --checkpoints /mnt/vault/checkpoints --audit-dir posse-data/audit`,
		Flags: flags([]cli.Flag{
			texts("checkpoints", "where checkpoints are; may be given several times: "+aboutPlaces),
			text("audit-dir", "", "directory of the auditor, to learn which event was changed"),
			span("covered-within", time.Hour, "how old an event may be that is under no checkpoint; 0 for any age"),
		}, auditKeyFlags(), auditLogFlags()),
		Action: auditVerify,
	}
}

func auditVerify(ctx context.Context, cmd *cli.Command) error {
	places := cmd.StringSlice("checkpoints")
	if len(places) == 0 {
		return fmt.Errorf("%s needs --checkpoints or %s", cmd.FullName(), environment("checkpoints"))
	}
	verifiers, err := auditVerifiers(cmd)
	if err != nil {
		return err
	}
	log, done, err := openLogOnce(ctx, cmd)
	if err != nil {
		return err
	}
	defer done()
	opened, closePlaces, err := openPlaces(ctx, cmd, places...)
	if err != nil {
		return err
	}
	defer closePlaces()
	out := cmd.Root().Writer
	verification := proof.Verification{
		Log: log, Places: opened, Dir: cmd.String("audit-dir"), Verifiers: verifiers, CoveredWithin: cmd.Duration("covered-within"),
		Report: func(f proof.Finding) { fmt.Fprintln(out, plain(f.Text)) },
	}
	summary, err := proof.Verify(ctx, verification)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "read %d events in %s; they extend %d checkpoints, the last of %d events\n",
		summary.Events, summary.Took.Round(time.Millisecond), summary.Checkpoints, summary.Covered)
	if summary.Findings > 0 {
		return fmt.Errorf("the history is not what was signed: %d findings, listed above", summary.Findings)
	}
	return nil
}
