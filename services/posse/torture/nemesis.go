package torture

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
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
		if !n.take(step.Target) {
			continue
		}
		faults.Go(func() {
			defer n.leave(step.Target)
			fault := Fault{Step: step, Begin: time.Since(n.since)}
			if err := n.fault(ctx, step); err != nil {
				fault.Error = err.Error()
			}
			fault.End = time.Since(n.since)
			n.out.add(fault)
		})
	}
}

func (n *nemesis) take(target string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.busy[target] {
		return false
	}
	n.busy[target] = true
	return true
}

func (n *nemesis) leave(target string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.busy, target)
}

// fault breaks something, waits, and mends it.
func (n *nemesis) fault(ctx context.Context, step Step) error {
	last := func() {
		select {
		case <-ctx.Done():
		case <-time.After(step.For):
		}
	}
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
	case Cut, Freeze, Slow:
		line := n.in.lines[step.Target]
		switch step.Action {
		case Cut:
			line.Cut()
		case Freeze:
			line.Freeze()
		default:
			line.Delay(slowness)
		}
		last()
		line.Delay(0)
		line.Open()
		return nil
	case Poison:
		return n.poison(ctx)
	default:
		return fmt.Errorf("torture: there is no action %q", step.Action)
	}
}

// slowness is how long everything takes on a slow line, each way.
const slowness = 300 * time.Millisecond

func (n *nemesis) killPostgres(ctx context.Context, last func()) error {
	err := n.in.database.Kill()
	last()
	server, startErr := n.in.runPostgres(context.WithoutCancel(ctx))
	if startErr == nil {
		n.in.database = server
	}
	return errors.Join(err, startErr)
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

// connect connects to NATS itself, as a role.
func (in *installation) connect(ctx context.Context, role string) (*bus.Conn, error) {
	return bus.Connect(ctx, bus.Config{URL: "nats://" + in.natsAddress, NKeyFile: in.seed(role), Name: "torture", Logger: quiet})
}
