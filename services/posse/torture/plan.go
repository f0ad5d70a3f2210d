package torture

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Action is a way to break something.
type Action string

// The actions. What they do to lines is in pkg/netfault.
const (
	Kill   Action = "kill"   // kill -9, and a start when the time is over
	Pause  Action = "pause"  // SIGSTOP, and SIGCONT
	Cut    Action = "cut"    // of the line to NATS or to PostgreSQL
	Freeze Action = "freeze" // of a line
	Slow   Action = "slow"   // a line
	Poison Action = "poison" // messages into the log that nobody can read
)

// Step is one fault of a plan.
type Step struct {
	At     time.Duration `json:"at"` // since the run began
	Action Action        `json:"action"`
	Target string        `json:"target"` // a process, or a process and what its line leads to
	For    time.Duration `json:"for"`
}

// String says the step in a line.
func (s Step) String() string {
	return fmt.Sprintf("%7.2fs %s %s for %.1fs", s.At.Seconds(), s.Action, s.Target, s.For.Seconds())
}

const (
	calmStart = 3 * time.Second // people have to be signed in first
	shortest  = time.Second     // that a fault lasts
	longest   = 8 * time.Second
	// everySoOften is the mean time between the beginnings of two faults.
	everySoOften = 3 * time.Second
)

// weighted are the actions, each as often as it is to be likely.
var weighted = []Action{Kill, Kill, Kill, Pause, Pause, Cut, Cut, Freeze, Slow, Poison}

// Plan returns the faults of a seed. The same seed, duration, processes and lines give
// the same plan.
func Plan(seed uint64, duration time.Duration, processes, lines []string) []Step {
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // it has to be repeatable
	var steps []Step
	for at := calmStart; at < duration; at += time.Duration(random.ExpFloat64() * float64(everySoOften)) {
		step := Step{
			At: at, Action: weighted[random.IntN(len(weighted))],
			For: shortest + time.Duration(random.Int64N(int64(longest-shortest))),
		}
		switch step.Action {
		case Kill, Pause:
			step.Target = processes[random.IntN(len(processes))]
		case Cut, Freeze, Slow:
			step.Target = lines[random.IntN(len(lines))]
		case Poison:
			step.Target, step.For = "log", 0
		}
		step.For = min(step.For, max(duration-at, shortest))
		steps = append(steps, step)
	}
	return steps
}
