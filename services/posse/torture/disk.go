package torture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/posse-pos/posse/pkg/pgtest"
)

// diskSize is how much fits on the disk of a server of NATS, or of PostgreSQL. A run
// needs a few MB of NATS; the server reserves 64 MB for quarantine, and recorders want as
// much left before they take logins, of three quarters of it.
const diskSize = "512m"

// mountDisk gives a process a disk of its own, which can be filled. Only root of a Linux
// may; without, disks are not filled.
func (in *installation) mountDisk(name, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	mounted, err := mount(dir)
	if err != nil {
		return fmt.Errorf("torture: mount a disk on %s: %w", dir, err)
	}
	if mounted {
		in.disks[name] = dir
	}
	return nil
}

// keepDisks copies what is on the disks to where they were mounted.
func (in *installation) keepDisks() (err error) {
	for _, dir := range in.disks {
		kept := dir + ".kept"
		err = errors.Join(err, os.CopyFS(kept, os.DirFS(dir)), unmount(dir), os.Remove(dir), os.Rename(kept, dir))
	}
	return err
}

// fill takes what is left of a disk, gives it back, and starts the process again if that
// does not go on by itself, as who looks after it does: nats-server gives JetStream up
// when its disk is full, and PostgreSQL ends.
func (n *nemesis) fill(ctx context.Context, name string, last func()) error {
	ballast := filepath.Join(n.in.disks[name], "ballast")
	full := writeUntilFull(ballast)
	last()
	err := errors.Join(full, os.Remove(ballast))
	asked := time.Now()
	for time.Since(asked) < restartAfter {
		if n.in.goesOn(ctx, name) {
			return err
		}
		pause(ctx, mendLook)
	}
	if name == postgres {
		return errors.Join(err, n.in.database.Stop(), n.startPostgres(ctx))
	}
	p := n.in.programs[name]
	return errors.Join(err, p.end(syscall.SIGTERM), p.start())
}

// goesOn reports whether a server of NATS, or PostgreSQL, does its work.
func (in *installation) goesOn(ctx context.Context, name string) bool {
	if name != postgres {
		return in.isHealthy(ctx, in.node(name))
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return pgtest.Execute(ctx, in.database.URL("posse"), "SELECT txid_current()") == nil
}

// restartAfter is how long a process may not do its work before it is started again.
const restartAfter = 2 * time.Second

// writeUntilFull returns nil when there is no space left.
func writeUntilFull(name string) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	chunk := make([]byte, 1<<20)
	for err == nil {
		if _, err = file.Write(chunk); errors.Is(err, syscall.ENOSPC) && len(chunk) > 1 {
			chunk, err = chunk[:len(chunk)/2], nil
		}
	}
	if errors.Is(err, syscall.ENOSPC) {
		err = nil
	}
	return errors.Join(err, file.Close())
}
