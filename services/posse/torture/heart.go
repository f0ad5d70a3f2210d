package torture

import (
	"context"
	"time"
)

const (
	// stall is what a fault is called in which the machine stood still. No plan has it.
	stall     = "stall"
	heartbeat = 100 * time.Millisecond
	// stalled is how late the suite's own heart may beat, and how long it may take to store
	// poison. When it takes longer, the machine or the log stands still, and it says nothing
	// of posse that it is late.
	stalled = 500 * time.Millisecond
)

// beat takes note of each time that the suite itself was held up, until ctx ends. What it
// looks after is then late for a reason of its own.
func (r *running) beat(ctx context.Context) {
	for ctx.Err() == nil {
		before := time.Since(r.since)
		pause(ctx, heartbeat)
		if now := time.Since(r.since); now-before > heartbeat+stalled {
			r.faults.add(Fault{Step: Step{At: before, Action: stall, Target: "the machine"}, Begin: before, End: now})
		}
	}
}
