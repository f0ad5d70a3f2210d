package torture

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// mount mounts a small disk, and reports whether it may.
func mount(dir string) (mounted bool, err error) {
	if os.Geteuid() != 0 {
		return false, nil
	}
	err = syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+diskSize)
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		return false, nil // root of a container, which may not
	}
	return err == nil, err
}

func unmount(dir string) error { return syscall.Unmount(dir, 0) }

// bind has a process end when this one does, however it does. Whoever interrupts the run
// does not interrupt its processes one by one.
func bind(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
