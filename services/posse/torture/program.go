package torture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// endPatience is how long a process may take to end when it is asked to.
const endPatience = 10 * time.Second

// program is a process that can be killed, stopped and started again, each time with
// the same arguments and environment. One that ends by itself is started again, as a
// supervisor does.
type program struct {
	name string
	path string
	args []string
	env  []string
	log  string // file that it appends to
	died func(name string, err error)

	mu      sync.Mutex
	cmd     *exec.Cmd
	wanted  bool
	running chan struct{} // closed when cmd has ended
}

// restartPause is how long a supervisor waits before it starts what has ended.
const restartPause = 500 * time.Millisecond

func (p *program) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = true
	return p.spawn()
}

// spawn starts the process and whoever waits for its end.
func (p *program) spawn() error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()                      // the process has its own handle
	cmd := exec.Command(p.path, p.args...) //nolint:noctx,gosec // end ends it; it is our own
	cmd.Env = append(withoutPosse(os.Environ()), p.env...)
	cmd.Stdout, cmd.Stderr = log, log
	bind(cmd)
	started, ended := make(chan error), make(chan struct{})
	go func() {
		// The kernel ends a process that is bound when the thread ends that started it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		err = cmd.Wait()
		close(ended)
		p.restart(cmd, err)
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	p.cmd, p.running = cmd, ended
	return nil
}

// restart starts a process again that nobody ended.
func (p *program) restart(ended *exec.Cmd, reason error) {
	p.mu.Lock()
	unexpected := p.wanted && p.cmd == ended
	p.mu.Unlock()
	if !unexpected {
		return
	}
	p.died(p.name, reason)
	<-time.After(restartPause)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wanted && p.cmd == ended {
		if err := p.spawn(); err != nil {
			p.died(p.name, err)
		}
	}
}

// signal sends a signal to the process, if it runs.
func (p *program) signal(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return nil
	}
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%s to %s: %w", sig, p.name, err)
	}
	return nil
}

// end sends a signal and waits until the process is gone. It is not started again.
func (p *program) end(sig syscall.Signal) error {
	p.mu.Lock()
	p.wanted = false
	running := p.running
	p.mu.Unlock()
	if running == nil {
		return nil
	}
	err := errors.Join(p.signal(sig), p.signal(syscall.SIGCONT))
	ctx, cancel := context.WithTimeout(context.Background(), endPatience)
	defer cancel()
	select {
	case <-running:
		return err
	case <-ctx.Done():
	}
	err = errors.Join(err, fmt.Errorf("%s did not end within %s after %s", p.name, endPatience, sig), p.signal(syscall.SIGKILL))
	<-running
	return err
}

func withoutPosse(env []string) []string {
	var kept []string
	for _, variable := range env {
		if !strings.HasPrefix(variable, "POSSE_") {
			kept = append(kept, variable)
		}
	}
	return kept
}
