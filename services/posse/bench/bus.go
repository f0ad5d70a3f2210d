package bench

import (
	"context"
	"errors"
	"io"
	"os"
	"strconv"

	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/services/posse/embedded"
)

// ServeBus is the nats-server of a measurement as a process of its own, so that
// what it takes is told from what its clients take. A volatile one does not sync what
// it writes.
func ServeBus(ctx context.Context, dir string, volatile bool, in io.Reader, out io.Writer) error {
	server, err := embedded.Start(ctx, embedded.Config{Dir: dir, Volatile: volatile, Logger: quiet})
	if err != nil {
		return err
	}
	return errors.Join(serveChild(server.URL(), in, out), server.Close())
}

// busRig is a log on a nats-server in a process of its own.
type busRig struct {
	*child

	conn *bus.Conn
	log  *natslog.Log
	dir  string
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
	if r.child, err = startChild(ctx, "bench-bus", "--dir", r.dir, "--volatile="+strconv.FormatBool(volatile)); err != nil {
		return err
	}
	if r.conn, err = bus.Connect(ctx, bus.Config{URL: r.url, Name: "posse bench", Logger: quiet}); err != nil {
		return err
	}
	r.log, err = natslog.New(ctx, r.conn, natslog.Config{Logger: quiet})
	return err
}

// shut ends the server and keeps what it stored.
func (r *busRig) shut() {
	if r.conn != nil {
		r.conn.Close()
	}
	r.finish()
	r.conn, r.child = nil, nil
}

func (r *busRig) close() {
	r.shut()
	_ = os.RemoveAll(r.dir)
}
