package projector_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/activesessions/activesessionstest"
	"github.com/posse-pos/posse/pkg/activesessions/memstore"
	"github.com/posse-pos/posse/pkg/activesessions/pgstore"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/natstest"
	"github.com/posse-pos/posse/pkg/pgtest"
	"github.com/posse-pos/posse/services/projector"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Stopping(m)) }

func openPostgres(t *testing.T) store {
	t.Helper()
	s, err := pgstore.Open(t.Context(), pgstore.Config{URL: pgtest.New(t), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// store is a read model that can be written and read.
type store interface {
	activesessions.Writer
	activesessions.Reader
}

type rig struct {
	*testing.T

	server *natstest.Server
	conn   *bus.Conn
	log    *natslog.Log
	ids    int
}

func setup(t *testing.T) *rig {
	t.Helper()
	server := natstest.Start(t)
	conn, err := bus.Connect(t.Context(), bus.Config{URL: server.URL(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	r := &rig{T: t, server: server, conn: conn}
	r.declare()
	return r
}

func (r *rig) declare() {
	r.Helper()
	log, err := natslog.New(r.Context(), r.conn, natslog.Config{
		Metrics: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		r.Fatal(err)
	}
	r.log = log
}

// recreate makes a stream anew, empty.
func (r *rig) recreate(stream string) {
	r.Helper()
	if err := r.conn.JetStream().DeleteStream(r.Context(), stream); err != nil {
		r.Fatal(err)
	}
	r.declare()
}

func (r *rig) envelope(fact events.Event) events.Envelope {
	r.ids++
	return events.Envelope{ID: fmt.Sprintf("%s-%d", strings.ReplaceAll(r.Name(), "/", "-"), r.ids), Source: "/test", Time: time.Now(), Event: fact}
}

func (r *rig) append(facts ...events.Event) (last uint64) {
	r.Helper()
	for _, fact := range facts {
		sequence, err := r.log.Append(r.Context(), []events.Envelope{r.envelope(fact)}, nil)
		if err != nil {
			r.Fatal(err)
		}
		last = sequence
	}
	return last
}

func (r *rig) touch(facts ...events.Touched) {
	r.Helper()
	var envelopes []events.Envelope
	for _, fact := range facts {
		envelopes = append(envelopes, r.envelope(fact))
	}
	if err := r.log.Touch(r.Context(), envelopes); err != nil {
		r.Fatal(err)
	}
}

func key(user, session string) events.Key {
	return events.Key{Tenant: "shop", User: user, Session: session}
}

func login(user, session string) events.LoggedIn {
	now := time.Now()
	return events.LoggedIn{
		Key:            key(user, session),
		EventTimestamp: events.TimestampOf(now),
		Created:        events.TimestampOf(now),
		Expires:        events.TimestampOf(now.Add(time.Hour)),
		Personal: events.LoginPersonal{
			Username: user, UserAgent: "WCPOS/1.8.1 (ios; build 231)", IP: "192.0.2.1",
		},
	}
}

func touched(user, session string, at time.Time) events.Touched {
	return events.Touched{Key: key(user, session), EventTimestamp: events.TimestampOf(at), Personal: events.DevicePersonal{IP: "192.0.2.2"}}
}

func revoked(user, session string) events.Revoked {
	return events.Revoked{
		Key: key(user, session), EventTimestamp: events.TimestampOf(time.Now()), Cause: events.CauseTerminate,
		InitiatingEntity: events.InitiatedByAdmin, Expires: events.TimestampOf(time.Now().Add(time.Hour)), CommandID: "command",
	}
}

// running is a projector at work.
type running struct {
	*projector.Projector

	metrics *prometheus.Registry
	cancel  context.CancelFunc
	ended   chan error
	once    sync.Once
	err     error
}

func (r *rig) run(s activesessions.Writer, change ...func(*projector.Config)) *running {
	r.Helper()
	p := &running{metrics: prometheus.NewRegistry(), ended: make(chan error, 1)}
	config := projector.Config{
		Log: r.log, Store: s, Bus: r.conn, AnnounceEvery: 20 * time.Millisecond, StandBy: 20 * time.Millisecond,
		Logger: slog.New(slog.DiscardHandler), Metrics: p.metrics,
	}
	for _, c := range change {
		c(&config)
	}
	var err error
	p.Projector, err = projector.New(config)
	if err != nil {
		r.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	go func() { p.ended <- p.Run(ctx) }()
	r.Cleanup(func() {
		if err := p.stop(); err != nil && !errors.Is(err, projector.ErrHalted) {
			r.Errorf("Run ended with %v", err)
		}
	})
	return p
}

func (p *running) stop() error {
	p.once.Do(func() {
		p.cancel()
		p.err = <-p.ended
	})
	return p.err
}

// metric sums a metric over its labels.
func (r *rig) metric(p *running, name string) float64 {
	r.Helper()
	families, err := p.metrics.Gather()
	if err != nil {
		r.Fatal(err)
	}
	sum := 0.0
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

// shows waits until a read model shows what the log holds now.
func (r *rig) shows(s store) {
	r.Helper()
	for _, stream := range []string{events.StreamSessions, events.StreamTouches} {
		state, err := r.log.State(r.Context(), stream)
		if err != nil {
			r.Fatal(err)
		}
		eventually(r.T, fmt.Sprintf("%s is shown up to %d", stream, state.Last), func() bool {
			at, err := s.Checkpoint(r.Context(), stream)
			return err == nil && at.Sequence >= state.Last
		})
	}
}

func (r *rig) dump(s store) string {
	r.Helper()
	return activesessionstest.Dump(r, s)
}

// rebuilt is a read model made from the log as it is now.
func (r *rig) rebuilt() store {
	r.Helper()
	s := memstore.New(memstore.Config{})
	p := r.run(s, func(c *projector.Config) { c.Bus = nil })
	r.shows(s)
	if err := p.stop(); err != nil {
		r.Fatal(err)
	}
	return s
}

// announced gathers announcements.
type announced struct {
	mu   sync.Mutex
	list []events.Changed
}

func (r *rig) listen(hear func(events.Changed)) *announced {
	r.Helper()
	a := &announced{}
	stop, err := r.conn.Subscribe(events.ChangedWildcard, func(_ string, data []byte) {
		var c events.Changed
		if err := json.Unmarshal(data, &c); err != nil {
			r.Errorf("announcement %s: %v", data, err)
		}
		if hear != nil {
			hear(c)
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.list = append(a.list, c)
	})
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(stop)
	return a
}

func (a *announced) all() []events.Changed {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]events.Changed(nil), a.list...)
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-deadline.C:
			t.Fatalf("never came true: %s", what)
		case <-ticker.C:
		}
	}
}

// faulty is a store that fails before or after a batch is in.
type faulty struct {
	store

	before, after func() error
}

func (f *faulty) Apply(ctx context.Context, batch activesessions.Batch) ([]activesessions.UserRef, error) {
	if err := f.before(); err != nil {
		return nil, err
	}
	changed, err := f.store.Apply(ctx, batch)
	if err != nil {
		return nil, err
	}
	return changed, f.after()
}
