package main

import (
	"path/filepath"

	"github.com/posse-pos/posse/services/posse/natsusers/natsuserstest"
)

// shippedNATS copies configurations of deployments/nats, makes the keys of their
// users, and returns the path of the first.
func shippedNATS(dir string, names ...string) (config string, err error) {
	return natsuserstest.Copy("../../deployments/nats", filepath.Join(dir, "nats-keys"), names...)
}

// seedFile is the key of a user of a configuration that shippedNATS copied.
func seedFile(dir, user string) string { return filepath.Join(dir, "nats-keys", user+".nk") }
