package torture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// diskSize is how much fits on the disk of a server of NATS. A run needs a few MB; the
// server reserves 64 MB for quarantine, and recorders want as much left before they take
// logins, of three quarters of it.
const diskSize = "512m"

// mountDisks gives each server of NATS a disk of its own, which can be filled. Only root
// of a Linux may; without, disks are not filled.
func (in *installation) mountDisks() error {
	for i, node := range in.nodes {
		if err := os.MkdirAll(node.storeDir, 0o700); err != nil {
			return err
		}
		mounted, err := mount(node.storeDir)
		if err != nil {
			return fmt.Errorf("torture: mount a disk on %s: %w", node.storeDir, err)
		}
		in.nodes[i].isDisk = mounted
	}
	return nil
}

// keepDisks copies what is on the disks to where they were mounted.
func (in *installation) keepDisks() error {
	var errs []error
	for _, node := range in.nodes {
		if !node.isDisk {
			continue
		}
		kept := node.storeDir + ".kept"
		errs = append(errs, os.CopyFS(kept, os.DirFS(node.storeDir)), unmount(node.storeDir),
			os.Remove(node.storeDir), os.Rename(kept, node.storeDir))
	}
	return errors.Join(errs...)
}

// fill takes what is left of a disk, gives it back, and starts the server again if that
// does not go on by itself, as who looks after it does: nats-server gives JetStream up
// when its disk is full.
func (n *nemesis) fill(ctx context.Context, node natsNode, last func()) error {
	ballast := filepath.Join(node.storeDir, "ballast")
	full := writeUntilFull(ballast)
	last()
	err := errors.Join(full, os.Remove(ballast))
	asked := time.Now()
	for time.Since(asked) < restartAfter {
		if n.in.isHealthy(ctx, node) {
			return err
		}
		pause(ctx, mendLook)
	}
	p := n.in.programs[node.name]
	return errors.Join(err, p.end(syscall.SIGTERM), p.start())
}

// restartAfter is how long a server may fail its health check before it is started again.
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
