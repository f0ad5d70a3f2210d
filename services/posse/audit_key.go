package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/urfave/cli/v3"
	"golang.org/x/mod/sumdb/note"

	"github.com/posse-pos/posse/services/auditor/proof"
)

func auditKeyCommand() *cli.Command {
	return &cli.Command{
		Name:  "key",
		Usage: "print the public key that verifies checkpoints and proofs",
		Description: `An auditor makes the key at its first start. Give the public one to whoever is to
check proofs, by a way that they trust.`,
		Flags: []cli.Flag{keysFlag()},
		Action: func(_ context.Context, cmd *cli.Command) error {
			key, err := existingAuditKey(cmd)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.Root().Writer, key.Public())
			return err
		},
	}
}

func existingAuditKey(cmd *cli.Command) (proof.Key, error) {
	key, err := proof.OpenKey(cmd.String("keys"), "")
	if errors.Is(err, fs.ErrNotExist) {
		return proof.Key{}, fmt.Errorf("there is no key of checkpoints in %s; an auditor makes it at its first start: %w",
			cmd.String("keys"), err)
	}
	return key, err
}

func auditKeyFlags() []cli.Flag {
	return []cli.Flag{
		texts("public-key", "public key, as `posse audit key` prints it; several where one followed another (default: that in --keys)"),
		keysFlag(),
	}
}

// auditVerifiers are those of --public-key, or that of the key in --keys.
func auditVerifiers(cmd *cli.Command) (note.Verifiers, error) {
	if public := cmd.StringSlice("public-key"); len(public) > 0 {
		return proof.Verifiers(public...)
	}
	key, err := existingAuditKey(cmd)
	if err != nil {
		return nil, fmt.Errorf("%w; or give the public key with --public-key", err)
	}
	return proof.Verifiers(key.Public())
}
