package torture

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"
)

const (
	// stall is what a fault is called in which the machine stood still. No plan has it.
	stall     = "stall"
	heartbeat = 100 * time.Millisecond
	fileHeart = "heart" // is written to with each beat
	// stalled is how late the suite's own heart may beat, and how long it may take to store
	// poison. When it takes longer, the machine or the log stands still, and it says nothing
	// of posse that it is late.
	stalled = 500 * time.Millisecond
)

// beat takes note of each time that the suite itself was held up, until ctx ends: by the
// processor, or by the disk on which databases and servers of NATS have theirs. What it
// looks after is then late for a reason of its own.
func (r *running) beat(ctx context.Context) error {
	disk, err := os.Create(filepath.Join(r.Dir, fileHeart))
	if err != nil {
		return err
	}
	defer disk.Close()
	for ctx.Err() == nil {
		before := time.Since(r.since)
		pause(ctx, heartbeat)
		_, err := disk.WriteAt([]byte(before.String()), 0)
		if err := errors.Join(err, disk.Sync()); err != nil {
			return err
		}
		if now := time.Since(r.since); now-before > heartbeat+stalled {
			r.faults.add(Fault{Step: Step{At: before, Action: stall, Target: "the machine"}, Begin: before, End: now})
		}
	}
	return nil
}
