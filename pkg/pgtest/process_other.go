//go:build !linux

package pgtest

import "os/exec"

// Elsewhere nothing ties a child's life to its parent's, and tests do not run as
// root.

func bindToUs(*exec.Cmd)       {}
func dropPrivileges(*exec.Cmd) {}
func giveAway(string) error    { return nil }
