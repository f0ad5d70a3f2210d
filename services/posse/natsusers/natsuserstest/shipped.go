// Package natsuserstest has the NATS configurations that posse comes with, and keys
// for their users, in tests.
package natsuserstest

import (
	"os"
	"path/filepath"

	"github.com/posse-pos/posse/services/posse/natsusers"
)

// Copy copies configurations from the folder of those that are shipped into dir,
// makes the keys of those that name users, and returns the path of the first.
func Copy(shipped, dir string, names ...string) (first string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(shipped, name))
		if err != nil {
			return "", err
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return "", err
		}
		if !natsusers.NamesUsers(string(text)) {
			continue
		}
		if _, err := natsusers.MakeKeys(file, dir); err != nil {
			return "", err
		}
	}
	return filepath.Join(dir, names[0]), nil
}
