package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/services/auditor/proof"
	"github.com/posse-pos/posse/services/auditor/replay"
)

func auditProveCommand() *cli.Command {
	return &cli.Command{
		Name:  "prove",
		Usage: "print a proof that an event is in the history, for others to check",
		Description: `The proof is a text with the whole event in it: what it says of a person is for
the eyes of whoever gets it. That it was made is recorded, as for replay.

   posse audit prove --seq 4711 --checkpoints /mnt/vault/checkpoints > 4711.tlog-proof`,
		Flags: flags([]cli.Flag{
			number("seq", 0, "sequence of the event in POS_SESSIONS"),
			text("checkpoints", "", "where the checkpoints are: "+aboutPlaces),
			auditDirFlag("directory of the auditor"),
		}, auditKeyFlags(), auditLogFlags()),
		Action: auditProve,
	}
}

func auditProve(ctx context.Context, cmd *cli.Command) error {
	if err := required(cmd, "checkpoints"); err != nil {
		return err
	}
	if cmd.Int("seq") < 1 {
		return fmt.Errorf("%s needs --seq, 1 or more: which event to prove", cmd.FullName())
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
	places, closePlaces, err := openPlaces(ctx, cmd, cmd.String("checkpoints"))
	if err != nil {
		return err
	}
	defer closePlaces()
	text, err := proof.Prove(ctx, proof.Evidence{
		Log: log, Place: places[0], Dir: cmd.String("audit-dir"), Verifiers: verifiers,
	}, uint64(cmd.Int("seq")))
	if err != nil {
		return err
	}
	// Whose event it is stands in the proof only.
	if err := noteRead(ctx, log, replay.Query{From: uint64(cmd.Int("seq")), Limit: 1}, cmd.Name); err != nil {
		return err
	}
	_, err = cmd.Root().Writer.Write(text)
	return err
}

func auditCheckProofCommand() *cli.Command {
	return &cli.Command{
		Name:      "check-proof",
		Usage:     "check a proof with nothing but the public key, and show its event",
		ArgsUsage: "FILE",
		Description: `It connects to nothing. The status is 0 if the event was in the history when the
checkpoint was signed that the proof holds.`,
		Flags: auditKeyFlags(),
		Action: func(_ context.Context, cmd *cli.Command) error {
			verifiers, err := auditVerifiers(cmd)
			if err != nil {
				return err
			}
			text, err := readProof(cmd)
			if err != nil {
				return err
			}
			event, under, err := proof.CheckProof(text, verifiers)
			if err != nil {
				return err
			}
			return showProved(cmd.Root().Writer, event, under)
		},
	}
}

func readProof(cmd *cli.Command) ([]byte, error) {
	name := cmd.Args().First()
	if name == "" {
		return nil, fmt.Errorf("%s needs the FILE of a proof; `posse audit prove` makes one", cmd.FullName())
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, proof.MaxProof+1))
}

// showProved prints an event that others wrote.
func showProved(out io.Writer, event eventlog.Stored, under proof.Checkpoint) error {
	fmt.Fprintf(out, "event %d of %s is under the checkpoint of %d, signed at %s\n",
		event.Sequence, plain(under.Origin), under.Size, under.Signed.Format(time.RFC3339))
	fmt.Fprintf(out, "stored %s\nsubject %s\n", event.Time.Format(time.RFC3339Nano), plain(event.Subject))
	for _, name := range slices.Sorted(maps.Keys(event.Header)) {
		for _, value := range event.Header[name] {
			fmt.Fprintf(out, "%s: %s\n", plain(name), plain(value))
		}
	}
	_, err := fmt.Fprintln(out, plain(string(event.Data)))
	return err
}
