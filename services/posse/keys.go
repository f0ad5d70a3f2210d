package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/pkg/token"
)

func keysFlag() cli.Flag {
	return text("keys", "posse-data/keys", "directory of the signing keys and of the backend keys' hashes")
}

func keysCommand() *cli.Command {
	return &cli.Command{
		Name:  "keys",
		Usage: "make, replace and withdraw the keys that posse trusts",
		Description: `A backend key lets a POS backend record logins for one tenant. Only its hash is
kept. The signing key signs the tokens of sessions.

A running posse follows a change within a second.`,
		Commands: []*cli.Command{
			{
				Name:  "create",
				Usage: "make a backend key and print it, this once",
				Flags: []cli.Flag{
					keysFlag(),
					text("tenant", "default", "whose sessions the key may record"),
					text("label", "", "a word for people, such as the backend's name"),
				},
				Action: keysCreate,
			},
			{
				Name:  "rotate",
				Usage: "sign with a new key; tokens of the old one stay good until they expire",
				Flags: []cli.Flag{
					keysFlag(),
					span("longest", token.DefaultLongest, "the longest life of a token: how long the old key verifies"),
				},
				Action: keysRotate,
			},
			{Name: "list", Usage: "list all keys, without their secrets", Flags: []cli.Flag{keysFlag()}, Action: keysList},
			{
				Name:      "revoke",
				Usage:     "withdraw a backend key",
				ArgsUsage: "ID",
				Flags:     []cli.Flag{keysFlag()},
				Action:    keysRevoke,
			},
		},
	}
}

func keysCreate(_ context.Context, cmd *cli.Command) error {
	keys, err := token.OpenBackendKeys(cmd.String("keys"), slog.Default())
	if err != nil {
		return err
	}
	plaintext, _, err := keys.Create(cmd.String("tenant"), cmd.String("label"), time.Now())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(cmd.Root().Writer, plaintext)
	return err
}

func keysRotate(_ context.Context, cmd *cli.Command) error {
	keyring, err := token.OpenKeyring(token.KeyringConfig{Dir: cmd.String("keys"), Longest: cmd.Duration("longest")})
	if err != nil {
		return err
	}
	key, err := keyring.Rotate(time.Now())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.Root().Writer, "signing with %s (%s) from now on\n", key.ID, key.Algorithm)
	return err
}

func keysList(_ context.Context, cmd *cli.Command) error {
	// Opening a keyring makes one; looking should not.
	if _, err := os.Stat(cmd.String("keys")); err != nil {
		return fmt.Errorf("there are no keys: %w", err)
	}
	keys, err := token.OpenBackendKeys(cmd.String("keys"), slog.Default())
	if err != nil {
		return err
	}
	keyring, err := token.OpenKeyring(token.KeyringConfig{Dir: cmd.String("keys")})
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(cmd.Root().Writer, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "USE\tID\tTENANT\tALGORITHM\tCREATED\tSTATE\tLABEL")
	for _, key := range keys.List() {
		fmt.Fprintf(table, "backend\t%s\t%s\t-\t%s\tgood\t%s\n", key.ID, plain(key.Tenant), day(key.Created), plain(key.Label))
	}
	for _, key := range keyring.Keys() {
		fmt.Fprintf(table, "signing\t%s\t-\t%s\t%s\t%s\t\n", key.ID, key.Algorithm, day(key.Created), stateOf(key))
	}
	return table.Flush()
}

func keysRevoke(_ context.Context, cmd *cli.Command) error {
	id := cmd.Args().First()
	if id == "" {
		return fmt.Errorf("%s needs the ID of a key; `posse keys list` shows them", cmd.FullName())
	}
	keys, err := token.OpenBackendKeys(cmd.String("keys"), slog.Default())
	if err != nil {
		return err
	}
	if err := keys.Revoke(id); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.Root().Writer, "revoked %s\n", id)
	return err
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// stateOf says what a signing key still does.
func stateOf(key token.KeyInfo) string {
	if key.Retire.IsZero() {
		return "signs"
	}
	return "verifies until " + day(key.Retire)
}
