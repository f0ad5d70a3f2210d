package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/posse-pos/posse/events"
)

// Conn is what the tracker needs of a connection; *bus.Conn is one.
type Conn interface {
	Subscribe(subject string, handle func(subject string, data []byte)) (stop func(), err error)
	Publish(subject string, data []byte) error
}

const (
	// callEvery is how often the roll is called at most, while somebody looks or waits,
	// or while a gateway does not answer.
	callEvery = 5 * time.Second
	// callAgain is how long after the last call a new Wait calls the roll: gateways
	// answer once a second.
	callAgain = time.Second
	// answerTime is how long an answer may take: gateways give one a second.
	answerTime = 3 * time.Second
	// defaultForgetAfter is three roll calls, and a second on top.
	defaultForgetAfter = 16 * time.Second
)

// Config of a Tracker.
type Config struct {
	// ForgetAfter is how long a gateway is counted that does not answer roll calls.
	// 0 means 16 s.
	ForgetAfter time.Duration
	// Settle is how long after Track a Wait does not conclude that everyone has
	// confirmed, since gateways have not answered the first roll call yet. 0 means
	// 2 s; a negative value not at all.
	Settle time.Duration
	// MaxGateways bounds the memory that reports can claim; reports of further
	// gateways are dropped and logged. 0 means 100,000.
	MaxGateways int
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Logger; nil means slog.Default().
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	c.ForgetAfter = cmp.Or(c.ForgetAfter, defaultForgetAfter)
	c.Settle = max(0, cmp.Or(c.Settle, 2*time.Second))
	c.MaxGateways = cmp.Or(c.MaxGateways, 100_000)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Gateway is the last report of a gateway.
type Gateway struct {
	events.GatewayStatus

	// Seen is when the report arrived, by the tracker's clock.
	Seen time.Time
	// Silent says that a report is overdue.
	Silent bool

	asked time.Time // when it was first asked since its last report; zero if it was not
}

// Serves reports whether revocations of a tenant concern the gateway.
func (g *Gateway) Serves(tenant string) bool { return g.Tenant == "" || g.Tenant == tenant }

// Tracker follows the reports of all gateways. Make one with Track.
type Tracker struct {
	config Config
	conn   Conn
	cancel context.CancelFunc
	done   chan struct{}
	began  time.Time

	mu       sync.Mutex
	gateways map[string]*Gateway
	waits    map[*wait]struct{}
	called   time.Time // when the roll was called last
}

// Track listens to the gateways until the context ends or Close is called.
func Track(ctx context.Context, conn Conn, config Config) (*Tracker, error) {
	config = config.withDefaults()
	ctx, cancel := context.WithCancel(ctx)
	t := &Tracker{
		config:   config,
		conn:     conn,
		cancel:   cancel,
		done:     make(chan struct{}),
		began:    config.Now(),
		gateways: map[string]*Gateway{},
		waits:    map[*wait]struct{}{},
	}
	stop, err := conn.Subscribe(events.GatewayStatusWildcard, t.receive)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("fleet: listen to gateways: %w", err)
	}
	t.lookAround()
	go t.watchSilent(ctx, stop)
	return t, nil
}

// Close stops listening and waits until that is done.
func (t *Tracker) Close() {
	t.cancel()
	<-t.done
}

// lookAround calls the roll.
func (t *Tracker) lookAround() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.callRoll(t.config.Now(), callEvery)
}

// callRoll asks all gateways to report, if they were not asked within a while. The
// caller holds the lock.
func (t *Tracker) callRoll(now time.Time, within time.Duration) {
	if now.Sub(t.called) < within {
		return
	}
	t.called = now
	for _, g := range t.gateways {
		if g.asked.IsZero() {
			g.asked = now
		}
	}
	if err := t.conn.Publish(events.SubjectRollCall, nil); err != nil {
		t.config.Logger.Warn("the roll of gateways was not called", "error", err)
	}
}

// Gateways returns the gateways that concern a tenant, by name and id, as they
// reported last. It asks them to report anew, for whoever looks again.
func (t *Tracker) Gateways(tenant string) []Gateway {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.config.Now()
	t.forget(now)
	t.callRoll(now, callEvery)
	var list []Gateway
	for _, g := range t.gateways {
		if g.Serves(tenant) {
			list = append(list, *g)
			list[len(list)-1].Silent = g.unanswered(now) > answerTime || now.Sub(g.Seen) > interval(g)*3/2
		}
	}
	slices.SortFunc(list, func(a, b Gateway) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Gateway, b.Gateway))
	})
	return list
}

// maxReport is the longest report that is kept, in bytes: many times what a gateway
// has to say, and little enough for MaxGateways of them.
const maxReport = 4 << 10

func (t *Tracker) receive(subject string, data []byte) {
	if len(data) > maxReport {
		t.config.Logger.Warn("gateway report dropped: it is too long", "bytes", len(data), "max_bytes", maxReport)
		return
	}
	var status events.GatewayStatus
	if err := json.Unmarshal(data, &status); err != nil || events.GatewayStatusSubject(status.Gateway) != subject {
		t.config.Logger.Warn("gateway report dropped: it is malformed or of another gateway than its subject", "subject", subject)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if status.Leaving {
		t.drop(status.Gateway)
		return
	}
	known := t.gateways[status.Gateway]
	if known == nil && len(t.gateways) >= t.config.MaxGateways {
		t.config.Logger.Warn("gateway report dropped: there are too many gateways", "max_gateways", t.config.MaxGateways)
		return
	}
	g := &Gateway{GatewayStatus: status, Seen: t.config.Now()}
	t.gateways[status.Gateway] = g
	for w := range t.waits {
		w.observe(g)
	}
}

// drop forgets a gateway. The caller holds the lock.
func (t *Tracker) drop(gateway string) {
	delete(t.gateways, gateway)
	for w := range t.waits {
		w.forget(gateway)
	}
}

// forget drops who has been silent for too long. The caller holds the lock.
func (t *Tracker) forget(now time.Time) {
	for id, g := range t.gateways {
		if g.unanswered(now) > t.config.ForgetAfter || now.Sub(g.Seen) > 3*interval(g)+time.Second {
			t.config.Logger.Warn("gateway forgotten: it fell silent without leaving",
				"gateway", id, "name", g.Name, "last_report", g.Seen)
			t.drop(id)
		}
	}
}

// watchSilent asks again who did not answer, and all while one is waited for, since
// they report what they apply only for a while after a roll call. It lets a Wait end
// whose last missing gateway has vanished.
func (t *Tracker) watchSilent(ctx context.Context, stop func()) {
	defer close(t.done)
	defer stop()
	ticker := time.NewTicker(250 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			t.mu.Lock()
			now := t.config.Now()
			t.forget(now)
			if t.awaitsAnswers(now) || t.isWaitedFor() {
				t.callRoll(now, callEvery)
			}
			t.mu.Unlock()
		}
	}
}

// awaitsAnswers reports whether some gateway has not answered the roll call. The
// caller holds the lock.
func (t *Tracker) awaitsAnswers(now time.Time) bool {
	for _, g := range t.gateways {
		if g.unanswered(now) > 0 {
			return true
		}
	}
	return false
}

// isWaitedFor reports whether a Wait goes on because of a gateway. The caller holds the
// lock.
func (t *Tracker) isWaitedFor() bool {
	for w := range t.waits {
		if len(w.pending) > 0 {
			return true
		}
	}
	return false
}

// unanswered is for how long the gateway has not answered a roll call.
func (g *Gateway) unanswered(now time.Time) time.Duration {
	if g.asked.IsZero() {
		return 0
	}
	return now.Sub(g.asked)
}

// interval is what a gateway states, kept to between 100 ms and ten minutes, so
// that no report can make its gateway immortal.
func interval(g *Gateway) time.Duration {
	seconds := min(max(g.Interval, 0.1), 600)
	return time.Duration(seconds * float64(time.Second))
}
