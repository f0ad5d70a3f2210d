// Package natsusers makes the keys of NATS users. A server's configuration names the
// users by variables, and includes a file that says their public keys; each user
// keeps its seed to itself.
package natsusers

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/nats-io/nkeys"

	"github.com/posse-pos/posse/events"
)

// Kinds of variables: what follows the user's name.
const (
	kindKey   = "KEY"   // its public key
	kindInbox = "INBOX" // the subjects on which it awaits answers
	kindSeed  = "SEED"  // its seed, for a server that connects to another as this user
)

// MakeKeys makes the keys that the variables of a configuration ask for, and writes
// DIR/<configuration>-keys.conf, which the configuration includes. The seed of $USER_KEY
// is in DIR/user.nk, with mode 0600; one that is there is kept. It returns the files
// that it wrote.
func MakeKeys(config, dir string) (made []string, err error) {
	source, err := os.ReadFile(config)
	if err != nil {
		return nil, err
	}
	variables := variablesOf(string(source))
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
		user, kind := split(variable)
		file := filepath.Join(dir, strings.ToLower(user)+".nk")
		key, isNew, err := open(file)
		if err != nil {
			return made, err
		}
		if isNew {
			made = append(made, file)
		}
		value, err := valueOf(key, kind)
		if err != nil {
			return made, fmt.Errorf("%s: %w", file, err)
		}
		if kind == kindSeed {
			mode = 0o600
		}
		fmt.Fprintf(&text, "%s: %q\n", variable, value)
	}
	file := filepath.Join(dir, strings.TrimSuffix(filepath.Base(config), ".conf")+"-keys.conf")
	return append(made, file), replace(file, text.String(), mode)
}

var (
	// Comments, and strings, in which NATS looks for no variables.
	notVariables = regexp.MustCompile(`"[^"\n]*"|'[^'\n]*'|(?m)(#|//).*$`)
	variable     = regexp.MustCompile(`\$([A-Z][A-Z0-9_]*_(?:` + kindKey + `|` + kindInbox + `|` + kindSeed + `))\b`)
)

// variablesOf are the variables about keys in a configuration, in the order of
// the alphabet.
func variablesOf(config string) []string {
	matches := variable.FindAllStringSubmatch(notVariables.ReplaceAllString(config, ""), -1)
	found := make([]string, len(matches))
	for i, match := range matches {
		found[i] = match[1]
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// NamesUsers reports whether a configuration has variables about users' keys.
func NamesUsers(config string) bool { return len(variablesOf(config)) > 0 }

func split(variable string) (user, kind string) {
	at := strings.LastIndex(variable, "_")
	return variable[:at], variable[at+1:]
}

func valueOf(key nkeys.KeyPair, kind string) (string, error) {
	if kind == kindSeed {
		seed, err := key.Seed()
		return string(seed), err
	}
	public, err := key.PublicKey()
	if kind == kindInbox {
		return events.InboxPrefix(public) + ".>", err
	}
	return public, err
}

// open reads the seed of a user, or makes one that only the owner may read.
func open(file string) (key nkeys.KeyPair, isNew bool, err error) {
	seed, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = create(file)
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

func create(file string) (nkeys.KeyPair, error) {
	key, err := nkeys.CreateUser()
	if err != nil {
		return nil, err
	}
	seed, err := key.Seed()
	if err != nil {
		return nil, err
	}
	return key, replace(file, string(seed)+"\n", 0o600)
}

// replace writes a file as a whole, so that nobody reads half of it.
func replace(name, text string, mode fs.FileMode) error {
	temporary, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.WriteString(text)
	if err := errors.Join(err, temporary.Chmod(mode), temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), name)
}
