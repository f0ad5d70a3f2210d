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
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/services/posse/embedded"
)

// ServeBus is the nats-server of a measurement as a process of its own, so that
// what it takes is told from what its clients take. It writes its URL, and what it
// has used for each line that it reads, until it reads no more. A volatile one does
// not sync what it writes.
func ServeBus(ctx context.Context, dir string, volatile bool, in io.Reader, out io.Writer) error {
	server, err := embedded.Start(ctx, embedded.Config{Dir: dir, Volatile: volatile, Logger: quiet})
	if err != nil {
		return err
	}
	answers := json.NewEncoder(out)
	err = answers.Encode(server.URL())
	for lines := bufio.NewScanner(in); err == nil && lines.Scan(); {
		var used busUse
		if used.CPU, err = cpu(); err == nil {
			used.Heap = heap()
			err = answers.Encode(used)
		}
	}
	return errors.Join(err, server.Close())
}

// busUse is what a process has used by now.
type busUse struct {
	CPU  time.Duration `json:"cpu"`  // since it began
	Heap uint64        `json:"heap"` // bytes, after a collection
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

// busRig is a log on a nats-server in a process of its own.
type busRig struct {
	url     string
	conn    *bus.Conn
	log     *natslog.Log
	command *exec.Cmd
	in      io.WriteCloser
	out     *json.Decoder
	dir     string
}

func newBusRig(ctx context.Context, dir string) (*busRig, error) {
	return openBusRig(ctx, dir, synced)
}

// How a server writes: as posse serve does, or without waiting for the disk.
const (
	synced   = false
	volatile = true
)

func openBusRig(ctx context.Context, dir string, volatile bool) (r *busRig, err error) {
	r = &busRig{}
	if r.dir, err = os.MkdirTemp(dir, "bus-"); err != nil {
		return nil, err
	}
	if err := r.open(ctx, volatile); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *busRig) open(ctx context.Context, volatile bool) (err error) {
	if err := r.start(ctx, volatile); err != nil {
		return err
	}
	if r.conn, err = bus.Connect(ctx, bus.Config{URL: r.url, Name: "posse bench", Logger: quiet}); err != nil {
		return err
	}
	r.log, err = natslog.New(ctx, r.conn, natslog.Config{Logger: quiet})
	return err
}

// start runs this program again.
func (r *busRig) start(ctx context.Context, volatile bool) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, program, "bench-bus", "--dir", r.dir, "--volatile="+strconv.FormatBool(volatile))
	command.Args[0] = "posse" // a program that is posse among others goes by it
	command.Env, command.Stderr = withoutOurs(os.Environ()), os.Stderr
	out, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if r.in, err = command.StdinPipe(); err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	r.command, r.out = command, json.NewDecoder(out)
	return r.out.Decode(&r.url)
}

// shut ends the server and keeps what it stored.
func (r *busRig) shut() {
	if r.conn != nil {
		r.conn.Close()
	}
	if r.command != nil {
		_ = r.in.Close()
		_ = r.command.Wait()
	}
	r.conn, r.command = nil, nil
}

func (r *busRig) close() {
	r.shut()
	_ = os.RemoveAll(r.dir)
}

func (r *busRig) used() (used busUse, err error) {
	if _, err := fmt.Fprintln(r.in); err != nil {
		return used, err
	}
	err = r.out.Decode(&used)
	return used, err
}

// cpuOf is how much of the processors the server uses while do runs.
func (r *busRig) cpuOf(do func() error) (time.Duration, error) {
	before, err := r.used()
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	after, err := r.used()
	return after.CPU - before.CPU, err
}

// cores is how many processors the server uses while do runs.
func (r *busRig) cores(do func() error) (float64, error) {
	began := time.Now()
	used, err := r.cpuOf(do)
	return used.Seconds() / time.Since(began).Seconds(), err
}
