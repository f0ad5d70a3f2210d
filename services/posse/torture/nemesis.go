package torture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/netfault"
)

// nemesis breaks an installation by a plan. Faults may overlap; two on the same
// target do not.
type nemesis struct {
	in    *installation
	since time.Time
	out   *journal

	mu   sync.Mutex
	busy map[string]bool
}

// play breaks what the plan says, and returns when all of it is mended.
func (n *nemesis) play(ctx context.Context, plan []Step) {
	var faults sync.WaitGroup
	defer faults.Wait()
	for _, step := range plan {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(n.since.Add(step.At))):
		}
		taken := n.takes(step)
		if !n.take(taken...) {
			continue
		}
		faults.Go(func() {
			defer n.leave(taken...)
			fault := Fault{Step: step, Begin: time.Since(n.since)}
			if err := n.fault(ctx, step); err != nil {
				fault.Error = err.Error()
			}
			fault.End = time.Since(n.since)
			n.out.add(fault)
		})
	}
}

// takes are the targets that are not to be broken otherwise meanwhile. A cluster that
// has lost the disk of a server has what was acknowledged on as many others as it needs
// only while those are there: one disk is what it can lose.
func (n *nemesis) takes(step Step) []string {
	if step.Action != Lose {
		return []string{step.Target}
	}
	var all []string
	for _, node := range n.in.nodes {
		all = append(all, node.name)
		for _, other := range n.in.nodes {
			if node.name < other.name {
				all = append(all, node.name+" with "+other.name)
			}
		}
	}
	return all
}

func (n *nemesis) take(targets ...string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, target := range targets {
		if n.busy[target] {
			return false
		}
	}
	for _, target := range targets {
		n.busy[target] = true
	}
	return true
}

func (n *nemesis) leave(targets ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, target := range targets {
		delete(n.busy, target)
	}
}

// fault breaks something, waits, and mends it.
func (n *nemesis) fault(ctx context.Context, step Step) error {
	last := func() { pause(ctx, step.For) }
	switch step.Action {
	case Kill:
		if step.Target == postgres {
			return n.killPostgres(ctx, last)
		}
		p := n.in.programs[step.Target]
		err := p.end(syscall.SIGKILL)
		last()
		return errors.Join(err, p.start())
	case Pause:
		return n.pause(step.Target, last)
	case Cut, Freeze, HalfOpen, Slow:
		n.breakLine(step, last)
		return nil
	case Disorder:
		n.disorder(step.Target, true)
		last()
		n.disorder(step.Target, false)
		return nil
	case Poison:
		return n.poison(ctx)
	case Trim:
		return n.trim(ctx)
	case Recreate:
		return n.recreate(ctx)
	case Leader:
		return n.stepDown(ctx, step.Target)
	case Lose:
		return n.lose(ctx, n.in.node(step.Target), last)
	case Fill:
		return n.fill(ctx, step.Target, last)
	default:
		return fmt.Errorf("torture: there is no action %q", step.Action)
	}
}

func (n *nemesis) disorder(role string, on bool) {
	for _, d := range n.in.disorders[role] {
		d.Set(on)
	}
}

func (n *nemesis) breakLine(step Step, last func()) {
	line := n.in.lines[step.Target]
	switch step.Action {
	case Cut:
		line.each((*netfault.Line).Cut)
	case Freeze:
		line.each((*netfault.Line).Freeze)
	case HalfOpen:
		if step.For%2 == 0 {
			line.each((*netfault.Line).FreezeThere)
		} else {
			line.each((*netfault.Line).FreezeBack)
		}
	default:
		line.each(func(l *netfault.Line) { l.Delay(slowness) })
	}
	last()
	line.each(func(l *netfault.Line) { l.Delay(0) })
	line.each((*netfault.Line).Open)
}

// slowness is how long everything takes on a slow line, each way.
const slowness = 300 * time.Millisecond

func (n *nemesis) killPostgres(ctx context.Context, last func()) error {
	err := n.in.database.Kill()
	last()
	return errors.Join(err, n.startPostgres(ctx))
}

// startPostgres starts it again, to which the end of the run is no hindrance.
func (n *nemesis) startPostgres(ctx context.Context) error {
	server, err := n.in.runPostgres(context.WithoutCancel(ctx))
	if err == nil {
		n.in.database = server
	}
	return err
}

func (n *nemesis) pause(target string, last func()) error {
	if target == postgres {
		pid := n.in.database.Pid()
		err := syscall.Kill(pid, syscall.SIGSTOP)
		last()
		return errors.Join(err, syscall.Kill(pid, syscall.SIGCONT))
	}
	p := n.in.programs[target]
	err := p.signal(syscall.SIGSTOP)
	last()
	return errors.Join(err, p.signal(syscall.SIGCONT))
}

// poison stores what is no event, on the subject of somebody who is used by nobody
// else and on one of no user.
func (n *nemesis) poison(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := n.in.connect(ctx, "recorder")
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, subject := range []string{events.SessionSubject(tenants[0], "poisoned"), "pos.v1.session." + tenants[0] + ".poisoned.deeply"} {
		if _, err := conn.JetStream().Publish(ctx, subject, []byte("{not an event")); err != nil {
			return err
		}
	}
	return nil
}

// trim purges the stream of revocations, as an operator does who means another.
func (n *nemesis) trim(ctx context.Context) error {
	return n.operate(ctx, func(ctx context.Context, conn *bus.Conn) error {
		stream, err := conn.JetStream().Stream(ctx, events.StreamRevocations)
		if err != nil {
			return err
		}
		return stream.Purge(ctx)
	})
}

// operate does what operators may.
func (n *nemesis) operate(ctx context.Context, do func(ctx context.Context, conn *bus.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, operatorPatience)
	defer cancel()
	conn, err := n.in.connect(ctx, "operator")
	if err != nil {
		return err
	}
	defer conn.Close()
	return do(ctx, conn)
}

// recreate deletes the stream of revocations and makes it anew, as an operator does who
// lost it.
func (n *nemesis) recreate(ctx context.Context) error {
	return n.operate(ctx, func(ctx context.Context, conn *bus.Conn) error {
		if err := deleteStream(ctx, conn, events.StreamRevocations); err != nil {
			return err
		}
		for { // what is being deleted cannot be made for a moment
			doctor := n.in.command(ctx, "operator", "doctor", "--streams", "--apply", "--replicas", strconv.Itoa(n.in.count))
			out, err := doctor.CombinedOutput()
			if err == nil {
				return nil
			}
			if ctx.Err() != nil {
				return fmt.Errorf("posse doctor: %w\n%s", err, out)
			}
		}
	})
}

// deleteStream asks again when it is not answered, which a cluster does not do that has
// lost a server: what was asked may have happened, or happen yet.
func deleteStream(ctx context.Context, conn *bus.Conn, name string) error {
	for {
		asked, cancel := context.WithTimeout(ctx, deletePatience)
		err := conn.JetStream().DeleteStream(asked, name)
		cancel()
		if err == nil || errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("delete %s: %w", name, err)
		}
		pause(ctx, mendLook)
	}
}

// deletePatience is how long one answer is waited for.
const deletePatience = 2 * time.Second

// operatorPatience is how long an operator tries, while other things are broken too.
const operatorPatience = time.Minute

// stepDown has the leader of a stream make way for another.
func (n *nemesis) stepDown(ctx context.Context, stream string) error {
	return n.operate(ctx, func(ctx context.Context, conn *bus.Conn) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second) // it may be without one already
		defer cancel()
		_, err := conn.JetStream().Conn().RequestWithContext(ctx, "$JS.API.STREAM.LEADER.STEPDOWN."+stream, nil)
		return err
	})
}

// lose has a server of a cluster start with an empty disk, and waits until it has all
// again. It does not begin while another server lacks something.
func (n *nemesis) lose(ctx context.Context, node natsNode, last func()) error {
	if err := n.in.whole(ctx, time.Second); err != nil {
		return err
	}
	p := n.in.programs[node.name]
	err := p.end(syscall.SIGKILL)
	files, readErr := filepath.Glob(filepath.Join(node.storeDir, "*"))
	err = errors.Join(err, readErr)
	for _, file := range files {
		err = errors.Join(err, os.RemoveAll(file))
	}
	last()
	return errors.Join(err, p.start(), n.in.whole(ctx, wholePatience))
}

// wholePatience is how long a server may take to get what it is to have from others.
const wholePatience = 30 * time.Second
