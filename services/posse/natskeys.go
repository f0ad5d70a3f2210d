package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/nats-io/nkeys"
	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/events"
)

func natsKeysCommand() *cli.Command {
	return &cli.Command{
		Name:  "nats-keys",
		Usage: "make the keys of the NATS users that a server's configuration names",
		Description: `It reads which variables a configuration such as deployments/nats/accounts.conf
uses, and makes what is missing of

   DIR/recorder.nk          the seed of RECORDER, for --nats-nkey of that role
   DIR/accounts-keys.conf   the file that the configuration includes

In that file $RECORDER_KEY is the public key, $RECORDER_INBOX what the user may
listen to for answers, and $STORE_SEED the seed, for servers that connect to others.

Keys that exist are kept. Delete a seed and run it again for a new key.`,
		Flags: []cli.Flag{
			text("config", "", "configuration of a NATS server that includes the keys (required)"),
			text("dir", "", "directory of the seeds and of the file to include (required)"),
		},
		Action: natsKeys,
	}
}

func natsKeys(_ context.Context, cmd *cli.Command) error {
	if err := required(cmd, "config", "dir"); err != nil {
		return err
	}
	made, err := makeNATSKeys(cmd.String("config"), cmd.String("dir"))
	for _, name := range made {
		fmt.Fprintln(cmd.Root().Writer, name)
	}
	return err
}

// makeNATSKeys returns the files that it wrote.
func makeNATSKeys(config, dir string) (made []string, err error) {
	source, err := os.ReadFile(config)
	if err != nil {
		return nil, err
	}
	variables := natsVariables(string(source))
	if len(variables) == 0 {
		return nil, fmt.Errorf("%s uses no variable such as $RECORDER_KEY: there is no key to make", config)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "# Made by posse nats-keys for %s.\n", filepath.Base(config))
	mode := fs.FileMode(0o644)
	for _, variable := range variables {
		user, kind := splitVariable(variable)
		file := filepath.Join(dir, strings.ToLower(user)+".nk")
		key, isNew, err := openNKey(file)
		if err != nil {
			return made, err
		}
		if isNew {
			made = append(made, file)
		}
		value, err := natsValue(key, kind)
		if err != nil {
			return made, fmt.Errorf("%s: %w", file, err)
		}
		if kind == "SEED" {
			mode = 0o600
		}
		fmt.Fprintf(&text, "%s: %q\n", variable, value)
	}
	file := filepath.Join(dir, strings.TrimSuffix(filepath.Base(config), ".conf")+"-keys.conf")
	return append(made, file), replaceFile(file, text.String(), mode)
}

var (
	// Comments, and strings, in which NATS looks for no variables.
	notVariables = regexp.MustCompile(`"[^"\n]*"|'[^'\n]*'|(?m)(#|//).*$`)
	natsVariable = regexp.MustCompile(`\$([A-Z][A-Z0-9_]*_(?:KEY|INBOX|SEED))\b`)
)

// natsVariables are the variables about keys in a configuration, in the order of
// the alphabet.
func natsVariables(config string) []string {
	var found []string
	for _, match := range natsVariable.FindAllStringSubmatch(notVariables.ReplaceAllString(config, ""), -1) {
		found = append(found, match[1])
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func splitVariable(variable string) (user, kind string) {
	at := strings.LastIndex(variable, "_")
	return variable[:at], variable[at+1:]
}

func natsValue(key nkeys.KeyPair, kind string) (string, error) {
	if kind == "SEED" {
		seed, err := key.Seed()
		return string(seed), err
	}
	public, err := key.PublicKey()
	if kind == "INBOX" {
		return events.InboxPrefix(public) + ".>", err
	}
	return public, err
}

// openNKey reads the seed of a user, or makes one that only the owner may read.
func openNKey(file string) (key nkeys.KeyPair, isNew bool, err error) {
	seed, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = newNKey(file)
		return key, err == nil, err
	}
	if err != nil {
		return nil, false, err
	}
	key, err = nkeys.ParseDecoratedUserNKey(seed)
	if err != nil {
		return nil, false, fmt.Errorf("%s holds no seed of a NATS user: %w", file, err)
	}
	return key, false, nil
}

func newNKey(file string) (nkeys.KeyPair, error) {
	key, err := nkeys.CreateUser()
	if err != nil {
		return nil, err
	}
	seed, err := key.Seed()
	if err != nil {
		return nil, err
	}
	return key, replaceFile(file, string(seed)+"\n", 0o600)
}

// replaceFile writes a file as a whole, so that nobody reads half of it.
func replaceFile(name, text string, mode fs.FileMode) error {
	temporary, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.WriteString(text)
	if err = errors.Join(err, temporary.Chmod(mode), temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), name)
}
