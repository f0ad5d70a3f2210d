//go:build !linux

package torture

import (
	"os/exec"
	"syscall"
)

func mount(string) (mounted bool, err error) { return false, nil }

func unmount(string) error { return nil }

func bind(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
