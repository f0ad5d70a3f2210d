package bench

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/services/posse/embedded"
	"github.com/posse-pos/posse/services/projector"
)

// tenant is whose sessions are measured.
const tenant = "bench"

var (
	backend = principal.Principal{Kind: principal.Backend, Tenant: tenant, KeyID: "bench"}
	admin   = principal.Principal{Kind: principal.Admin, Tenant: tenant, User: "admin", Session: "admin"}
	quiet   = slog.New(slog.DiscardHandler)
)

// rig is a log on an embedded server that syncs every write, as posse serve has.
type rig struct {
	server *embedded.Server
	conn   *bus.Conn
	log    *natslog.Log
	dir    string
}

func newRig(ctx context.Context, dir string) (_ *rig, err error) {
	r := &rig{}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if r.dir, err = os.MkdirTemp(dir, "log-"); err != nil {
		return nil, err
	}
	if r.server, err = embedded.Start(ctx, embedded.Config{Dir: r.dir, Logger: quiet}); err != nil {
		return nil, err
	}
	if r.conn, err = bus.Connect(ctx, bus.Config{URL: r.server.URL(), Name: "posse bench", Logger: quiet}); err != nil {
		return nil, err
	}
	r.log, err = natslog.New(ctx, r.conn, natslog.Config{Logger: quiet})
	return r, err
}

func (r *rig) close() {
	if r.conn != nil {
		r.conn.Close()
	}
	if r.server != nil {
		_ = r.server.Close()
	}
	_ = os.RemoveAll(r.dir)
}

// shared does n things from a number of callers and returns when all are done.
func shared(n, callers int, do func(i int) error) error {
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for failed.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := do(i); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	group.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// sampled times each of n calls.
func sampled(n int, do func(i int) error) ([]time.Duration, error) {
	samples := make([]time.Duration, 0, n)
	for i := range n {
		start := time.Now()
		if err := do(i); err != nil {
			return nil, fmt.Errorf("call %d: %w", i, err)
		}
		samples = append(samples, time.Since(start))
	}
	return samples, nil
}

// project folds the log into a store until stop is called, which waits for it.
func (r *rig) project(ctx context.Context, store activesessions.Writer) (stop func(), err error) {
	p, err := projector.New(projector.Config{Log: r.log, Store: store, Logger: quiet})
	if err != nil {
		return nil, err
	}
	return inBackground(ctx, p.Run), nil
}

// inBackground runs do until stop is called, which waits for it.
func inBackground(ctx context.Context, do func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = do(ctx)
	}()
	return func() {
		cancel()
		<-ended
	}
}

// settled waits until a store shows everything that is in the log.
func (r *rig) settled(ctx context.Context, store activesessions.Reader) error {
	state, err := r.log.State(ctx, events.StreamSessions)
	if err != nil {
		return err
	}
	return store.WaitFor(ctx, state.Last)
}
