package pgtest

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// bindToUs makes the server shut down when this process dies, however it dies.
// An immediate shutdown, since nobody needs what is in it.
func bindToUs(command *exec.Cmd) {
	dropPrivileges(command)
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.Pdeathsig = syscall.SIGQUIT
	command.SysProcAttr.Setpgid = true // an interrupt of the tests is not one of the server
}

// dropPrivileges makes root's command run as an ordinary user, as PostgreSQL
// demands.
func dropPrivileges(command *exec.Cmd) {
	if uid, gid, ok := ordinaryUser(); ok {
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	}
}

func giveAway(dir string) error {
	uid, gid, ok := ordinaryUser()
	if !ok {
		return nil
	}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		return fmt.Errorf("give %s to the server's user: %w", dir, err)
	}
	return nil
}

// ordinaryUser is whom root's servers run as.
func ordinaryUser() (uid, gid uint32, ok bool) {
	if os.Getuid() != 0 {
		return 0, 0, false
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		u, err1 := strconv.ParseUint(found.Uid, 10, 32)
		g, err2 := strconv.ParseUint(found.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return uint32(u), uint32(g), true
		}
	}
	return 0, 0, false
}
