package main

import (
	"os"
	"path/filepath"
)

// shipped is where the configurations are that posse comes with.
const shipped = "../../deployments/nats"

// shippedNATS copies configurations of deployments/nats into a directory, makes the
// keys of those that name some, and returns the path of the first.
func shippedNATS(dir string, names ...string) (config string, err error) {
	keys := filepath.Join(dir, "nats-keys")
	if err := os.MkdirAll(keys, 0o700); err != nil {
		return "", err
	}
	for _, name := range names {
		source := filepath.Join(shipped, name)
		text, err := os.ReadFile(source)
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(keys, name), text, 0o600); err != nil {
			return "", err
		}
		if len(natsVariables(string(text))) == 0 {
			continue
		}
		if _, err := makeNATSKeys(source, keys); err != nil {
			return "", err
		}
	}
	return filepath.Join(keys, names[0]), nil
}

// seedFile is the key of a user of a configuration that shippedNATS copied.
func seedFile(dir, user string) string { return filepath.Join(dir, "nats-keys", user+".nk") }
