package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// child is this program as a process of its own, so that what it takes is told from
// what those take that ask it. It writes its URL, and what it has used for each line
// that it reads, and ends when it reads no more.
type child struct {
	url     string
	command *exec.Cmd
	in      io.WriteCloser
	out     *json.Decoder
}

// serveChild is the child's side.
func serveChild(url string, in io.Reader, out io.Writer) error {
	answers := json.NewEncoder(out)
	err := answers.Encode(url)
	for lines := bufio.NewScanner(in); err == nil && lines.Scan(); {
		var now used
		if now.CPU, err = cpu(); err == nil {
			now.Heap = heap()
			err = answers.Encode(now)
		}
	}
	return err
}

// startChild runs this program again.
func startChild(ctx context.Context, args ...string) (*child, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, program, args...)
	command.Args[0] = "posse" // a program that is posse among others goes by it
	command.Env, command.Stderr = withoutOurs(os.Environ()), os.Stderr
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	in, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	c := &child{command: command, in: in, out: json.NewDecoder(out)}
	if err := c.out.Decode(&c.url); err != nil {
		c.finish()
		return nil, fmt.Errorf("posse %s: %w", args[0], err)
	}
	return c, nil
}

// finish lets it end; a nil child has.
func (c *child) finish() {
	if c == nil {
		return
	}
	_ = c.in.Close()
	_ = c.command.Wait()
}

// used is what a process has used by now.
type used struct {
	CPU  time.Duration `json:"cpu"`  // since it began
	Heap uint64        `json:"heap"` // bytes, after a collection
}

func (c *child) used() (now used, err error) {
	if _, err := fmt.Fprintln(c.in); err != nil {
		return now, err
	}
	err = c.out.Decode(&now)
	return now, err
}

// cpuOf is how much of the processors the child uses while do runs.
func (c *child) cpuOf(do func() error) (time.Duration, error) {
	before, err := c.used()
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	after, err := c.used()
	return after.CPU - before.CPU, err
}

// cores is how many processors the child uses while do runs.
func (c *child) cores(do func() error) (float64, error) {
	began := time.Now()
	took, err := c.cpuOf(do)
	return took.Seconds() / time.Since(began).Seconds(), err
}

// cpu is how much of the processors this process has used, as the kernel counts
// it.
func cpu() (time.Duration, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	families, err := registry.Gather()
	if err != nil {
		return 0, err
	}
	for _, family := range families {
		if family.GetName() == "process_cpu_seconds_total" {
			return time.Duration(family.GetMetric()[0].GetCounter().GetValue() * float64(time.Second)), nil
		}
	}
	return 0, errors.New("this system does not say how much of the processors a process has used")
}
