package torture

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Action is a way to break something.
type Action string

// The actions. What they do to lines is in pkg/netfault.
const (
	Kill     Action = "kill"      // kill -9, and a start when the time is over
	Pause    Action = "pause"     // SIGSTOP, and SIGCONT
	Cut      Action = "cut"       // of a line
	Freeze   Action = "freeze"    // of a line
	HalfOpen Action = "half_open" // a line that is frozen in one direction
	Slow     Action = "slow"      // a line
	Disorder Action = "disorder"  // messages for a role come twice, and before those that were sent before them
	Poison   Action = "poison"    // messages into the log that nobody can read
	Trim     Action = "trim"      // the stream of revocations, of all that it held
	Recreate Action = "recreate"  // the stream of revocations, made anew
	Leader   Action = "leader"    // a stream is led by another server of the cluster
	Fill     Action = "fill"      // the disk of a server of NATS, or of PostgreSQL
	Lose     Action = "lose"      // kill -9 of a server of the cluster, and a start with nothing on its disk
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

// Targets are what can be broken, each kind in order.
type Targets struct {
	Processes []string
	Lines     []string
	// Roles are the processes that hear NATS over a line.
	Roles []string
	// Disks are the processes whose disks can be filled.
	Disks []string
	// Servers are those of a cluster of NATS, and Streams what they have; both are empty
	// where there is one server.
	Servers, Streams []string
}

// of returns what an action may break, and how likely it is among all.
func (t Targets) of(action Action) (targets []string, weight int) {
	switch action {
	case Kill:
		return t.Processes, 6
	case Pause:
		return t.Processes, 4
	case Cut:
		return t.Lines, 4
	case Freeze, HalfOpen, Slow:
		return t.Lines, 2
	case Disorder:
		return t.Roles, 3
	case Poison:
		return []string{"log"}, 2
	case Trim, Recreate:
		return []string{"revocations"}, 1
	case Leader:
		return t.Streams, 3
	case Lose:
		return t.Servers, 2
	case Fill:
		return t.Disks, 2
	default:
		return nil, 0
	}
}

var actions = []Action{Kill, Pause, Cut, Freeze, HalfOpen, Slow, Disorder, Poison, Trim, Recreate, Leader, Lose, Fill}

// weighted are the actions that have targets, each as often as it is likely.
func (t Targets) weighted() []Action {
	var all []Action
	for _, action := range actions {
		targets, weight := t.of(action)
		for range weight {
			if len(targets) > 0 {
				all = append(all, action)
			}
		}
	}
	return all
}

const (
	calmStart = 3 * time.Second // people have to be signed in first
	shortest  = time.Second     // that a fault lasts
	longest   = 8 * time.Second
	// everySoOften is the mean time between the beginnings of two faults.
	everySoOften = 3 * time.Second
)

// Plan returns the faults of a seed. The same seed, duration and targets give the same
// plan.
func Plan(seed uint64, duration time.Duration, targets Targets) []Step {
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // it has to be repeatable
	likely := targets.weighted()
	var steps []Step
	for at := calmStart; at < duration; at += time.Duration(random.ExpFloat64() * float64(everySoOften)) {
		step := Step{At: at, Action: likely[random.IntN(len(likely))]}
		among, _ := targets.of(step.Action)
		step.Target = among[random.IntN(len(among))]
		step.For = min(shortest+time.Duration(random.Int64N(int64(longest-shortest))), max(duration-at, shortest))
		if step.isMoment() {
			step.For = 0
		}
		steps = append(steps, step)
	}
	return steps
}

// isMoment reports whether the step is over when it is done.
func (s Step) isMoment() bool {
	return slices.Contains([]Action{Poison, Trim, Recreate, Leader}, s.Action)
}

// clockOf is by how many seconds a process's clock is ahead: as much as
// docs/operations.md allows. A gateway's may be wrong by minutes.
func clockOf(seed uint64, process string) int {
	random := rand.New(rand.NewPCG(seed, hash(process))) //nolint:gosec // it has to be repeatable
	most := 4
	if strings.HasPrefix(process, "gateway-") {
		most = 300
	}
	return random.IntN(2*most+1) - most
}
