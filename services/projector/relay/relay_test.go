package relay_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/natstest"
	"github.com/posse-pos/posse/services/projector/relay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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

// recreate makes POS_SESSIONS anew, empty.
func (r *rig) recreate() {
	r.Helper()
	if err := r.conn.JetStream().DeleteStream(r.Context(), events.StreamSessions); err != nil {
		r.Fatal(err)
	}
	r.declare()
}

func (r *rig) append(fact events.Event) uint64 {
	r.Helper()
	r.ids++
	sequence, err := r.log.Append(r.Context(), []events.Envelope{{
		ID: fmt.Sprintf("%s-%d", r.Name(), r.ids), Source: "/test", Time: time.Now(), Event: fact,
	}}, nil)
	if err != nil {
		r.Fatal(err)
	}
	return sequence
}

func (r *rig) login(tenant, user, session string) uint64 {
	r.Helper()
	return r.append(events.LoggedIn{
		Key:            events.Key{Tenant: tenant, User: user, Session: session},
		EventTimestamp: events.TimestampOf(time.Now()),
		Created:        events.TimestampOf(time.Now()),
		Expires:        events.TimestampOf(time.Now().Add(time.Hour)),
	})
}

func (r *rig) revoke(tenant, user, session string) uint64 {
	r.Helper()
	return r.append(revoked(tenant, user, session, time.Now().Add(time.Hour)))
}

func revoked(tenant, user, session string, expires time.Time) events.Revoked {
	return events.Revoked{
		Key:            events.Key{Tenant: tenant, User: user, Session: session},
		EventTimestamp: events.TimestampOf(time.Now()),
		Cause:          events.CauseTerminate, InitiatingEntity: events.InitiatedByAdmin,
		Expires: events.TimestampOf(expires), CommandID: "command",
	}
}

// run starts a relay; the function ends it and waits for that.
func (r *rig) run(log relay.Log, name string) (stop func()) {
	r.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- relay.Run(ctx, relay.Config{
			Log: log, Name: name, TickEvery: 10 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
		})
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			r.Errorf("relay ended with %v", err)
		}
	})
	r.Cleanup(stop)
	return stop
}

func (r *rig) ticked(sequence uint64) events.Tick {
	r.Helper()
	var tick events.Tick
	eventually(r.T, fmt.Sprintf("a tick at %d", sequence), func() bool {
		var err error
		tick, _, err = r.log.LastTick(r.Context())
		return err == nil && tick.Sequence == sequence
	})
	return tick
}

// relayed reads POS_REVOCATIONS in order.
func (r *rig) relayed() []events.Revocation {
	r.Helper()
	stream, err := r.conn.JetStream().Stream(r.Context(), events.StreamRevocations)
	if err != nil {
		r.Fatal(err)
	}
	var list []events.Revocation
	state := stream.CachedInfo().State
	for sequence := state.FirstSeq; sequence <= state.LastSeq; sequence++ {
		message, err := stream.GetMsg(r.Context(), sequence)
		if err != nil || message.Subject == events.SubjectTick {
			continue // an older tick, or the newest
		}
		revocation, err := events.DecodeRevocation(message.Subject, message.Data)
		if err != nil {
			r.Fatal(err)
		}
		list = append(list, revocation)
	}
	return list
}

func sequences(list []events.Revocation) []uint64 {
	var sequences []uint64
	for _, revocation := range list {
		sequences = append(sequences, revocation.Sequence)
	}
	return sequences
}

const patience = 30 * time.Second

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
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

func TestRevocationsAreRelayedInOrderAndChained(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.login("shop", "carl", "c1")
	a1 := r.revoke("shop", "carl", "c1")
	b1 := r.revoke("other", "zoe", "z1")
	a2 := r.revoke("shop", "anna", "a1")
	began := time.Now().Truncate(time.Millisecond)
	r.run(r.log, "one")
	r.ticked(a2)
	b2 := r.revoke("other", "zoe", "z2")
	tick := r.ticked(b2)

	list := r.relayed()
	if got := sequences(list); !slices.Equal(got, []uint64{a1, b1, a2, b2}) {
		t.Fatalf("relayed %v, want %v", got, []uint64{a1, b1, a2, b2})
	}
	for i, want := range []uint64{0, 0, a1, b1} {
		if list[i].Previous != want {
			t.Errorf("revocation %d has previous %d, want %d", list[i].Sequence, list[i].Previous, want)
		}
	}
	if first := list[0]; first.Tenant != "shop" || first.Session != "c1" || first.Cause != events.CauseTerminate || first.Expires == 0 {
		t.Errorf("revocation is %+v", first)
	}
	state, err := r.log.State(t.Context(), events.StreamSessions)
	if err != nil {
		t.Fatal(err)
	}
	if tick.Relay != "one" || tick.StreamCreated != events.TimestampOf(state.Created) || tick.AsOf.Time().Before(began) || tick.AsOf.Time().After(time.Now()) {
		t.Errorf("tick is %+v, the log %+v", tick, state)
	}
}

func TestAnEmptyLogIsTickedToo(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.run(r.log, "one")
	r.ticked(0)
}

func TestRestartContinuesAfterTheLastTick(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.revoke("shop", "carl", "c1")
	at := r.login("shop", "anna", "a1")
	stop := r.run(r.log, "one")
	r.ticked(at)
	stop()
	next := r.revoke("shop", "carl", "c2")
	counted := &observed{Log: r.log}
	r.run(counted, "two")
	r.ticked(next)

	list := r.relayed()
	if len(list) != 2 || list[1].Previous != at {
		t.Errorf("relayed %+v, want the second one to follow the tick at %d", list, at)
	}
	if counted.published() != 1 {
		t.Errorf("%d revocations were published after the restart, want 1", counted.published())
	}
}

// observed is a log that counts, and fails or waits where the test says so.
type observed struct {
	*natslog.Log

	mu       sync.Mutex
	count    int
	gaps     int
	onTick   func(events.Tick) error
	onRevoke func(context.Context) error
}

func (o *observed) published() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.count
}

func (o *observed) PublishRevocations(ctx context.Context, epoch string, list []events.Revocation) error {
	if o.onRevoke != nil {
		if err := o.onRevoke(ctx); err != nil {
			return err
		}
	}
	err := o.Log.PublishRevocations(ctx, epoch, list)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.count += len(list)
	return err
}

func (o *observed) PublishTick(ctx context.Context, tick events.Tick, replaces uint64) (uint64, error) {
	if o.onTick != nil {
		if err := o.onTick(tick); err != nil {
			return 0, err
		}
	}
	return o.Log.PublishTick(ctx, tick, replaces)
}

func (o *observed) Follow(ctx context.Context, config eventlog.FollowConfig, handle eventlog.Handler) error {
	if o.gaps > 0 {
		o.gaps--
		return fmt.Errorf("test: %w", eventlog.ErrGap)
	}
	return o.Log.Follow(ctx, config, handle)
}

func TestKilledBetweenPublishAndTick(t *testing.T) {
	t.Parallel()
	r := setup(t)
	stop := r.run(r.log, "before")
	r.ticked(0)
	stop()
	first := r.revoke("shop", "carl", "c1")
	second := r.revoke("shop", "carl", "c2")
	killed := &observed{Log: r.log, onTick: func(events.Tick) error { return errors.New("killed") }}
	stop = r.run(killed, "killed")
	eventually(t, "both are published", func() bool { return killed.published() >= 2 })
	stop()
	if tick, _, err := r.log.LastTick(t.Context()); err != nil || tick.Sequence != 0 {
		t.Fatalf("the last tick is %+v, %v", tick, err)
	}
	r.run(r.log, "heir")
	r.ticked(second)
	if got := sequences(r.relayed()); !slices.Equal(got, []uint64{first, second}) {
		t.Errorf("relayed %v, want each once", got)
	}
}

func TestTwoRelaysRelayEachRevocationOnce(t *testing.T) {
	t.Parallel()
	r := setup(t)
	stopOne := r.run(r.log, "one")
	r.ticked(0)
	r.run(r.log, "two")
	var want []uint64
	for i := range 100 {
		want = append(want, r.revoke("shop", "carl", fmt.Sprint("c", i)))
		if i == 50 {
			stopOne()
		}
	}
	r.ticked(want[len(want)-1])
	if got := sequences(r.relayed()); !slices.Equal(got, want) {
		t.Errorf("relayed %v, want %v", got, want)
	}
	// Whichever relay sent it, a message's promise is true.
	for i, revocation := range r.relayed() {
		promised, _ := slices.BinarySearch(want, revocation.Previous+1)
		if promised > i || revocation.Previous >= revocation.Sequence {
			t.Errorf("%d promises everything up to %d, and is the %dth", revocation.Sequence, revocation.Previous, i)
		}
	}
}

// TestStreamIsEmptiedUnderARelay takes away what relays have filled, in two ways. The next
// tick that comes is true, of what is there now.
func TestStreamIsEmptiedUnderARelay(t *testing.T) {
	t.Parallel()
	for name, empty := range map[string]func(*rig) error{
		"made anew": func(r *rig) error {
			defer r.declare()
			return r.conn.JetStream().DeleteStream(r.Context(), events.StreamRevocations)
		},
		"purged": func(r *rig) error {
			stream, err := r.conn.JetStream().Stream(r.Context(), events.StreamRevocations)
			if err != nil {
				return err
			}
			return stream.Purge(r.Context())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := setup(t)
			r.run(r.log, "one")
			r.ticked(0)
			r.run(r.log, "two")
			want := []uint64{r.revoke("shop", "carl", "c1"), r.revoke("shop", "anna", "a1"), r.revoke("other", "zoe", "z1")}
			r.ticked(want[2])
			for range 3 { // what relays send meanwhile comes at other moments each time
				if err := empty(r); err != nil {
					t.Fatal(err)
				}
				r.ticked(want[2])
				got := sequences(r.relayed())
				slices.Sort(got)
				if got = slices.Compact(got); !slices.Equal(got, want) {
					t.Fatalf("there is a tick at %d, and the stream has %v, want %v", want[2], got, want)
				}
			}
		})
	}
}

func TestNoTickWhileBehind(t *testing.T) {
	t.Parallel()
	r := setup(t)
	at := r.login("shop", "carl", "c1")
	release := make(chan struct{})
	arrived := make(chan struct{}, 1)
	slow := &observed{Log: r.log, onRevoke: func(ctx context.Context) error {
		select {
		case arrived <- struct{}{}:
		default:
		}
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	r.run(slow, "slow")
	before := r.ticked(at)
	end := r.revoke("shop", "carl", "c1")
	<-arrived
	// Many ticks would have been due by the time that another relay ticked often.
	for range 20 {
		r.login("shop", "anna", "a1")
	}
	tick, _, err := r.log.LastTick(t.Context())
	if err != nil || tick.Sequence != before.Sequence {
		t.Errorf("tick %+v, %v while the revocation at %d was not relayed", tick, err, end)
	}
	close(release)
	r.ticked(end + 20)
}

// TestALagIsNoSilence has each batch take longer than a tick, and a session end while
// it does: the log never stands still. Ticks come all the same, and say how late they
// are.
func TestALagIsNoSilence(t *testing.T) {
	t.Parallel()
	const batch = 50 * time.Millisecond
	r := setup(t)
	late := make(chan struct{})
	found := sync.OnceFunc(func() { close(late) })
	next := 0
	r.run(&observed{
		Log: r.log,
		onRevoke: func(ctx context.Context) error {
			<-time.After(batch)
			next++
			fact := revoked("shop", "carl", fmt.Sprint("c", next), time.Now().Add(time.Hour))
			_, err := r.log.Append(ctx, []events.Envelope{{ID: fact.Session, Source: "/test", Time: time.Now(), Event: fact}}, nil)
			return err
		},
		onTick: func(tick events.Tick) error {
			if time.Duration(tick.Written-tick.AsOf)*time.Millisecond >= batch {
				found()
			}
			return nil
		},
	}, "lagging")
	r.revoke("shop", "carl", "c0")
	select {
	case <-late:
	case <-time.After(patience):
		t.Fatal("no tick came while the relay lagged")
	}
}

func TestExpiredRevocationsAreSkipped(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.append(revoked("shop", "carl", "old", time.Now().Add(-time.Hour)))
	kept := r.revoke("shop", "carl", "new")
	end := r.append(revoked("shop", "carl", "older", time.Now().Add(-2*time.Hour)))
	r.run(r.log, "one")
	r.ticked(end)
	if list := r.relayed(); len(list) != 1 || list[0].Sequence != kept || list[0].Previous != 0 {
		t.Errorf("relayed %+v, want only %d", list, kept)
	}
}

func TestAGapMeansAllOverAgain(t *testing.T) {
	t.Parallel()
	r := setup(t)
	first := r.revoke("shop", "carl", "c1")
	stop := r.run(r.log, "one")
	r.ticked(first)
	stop()
	second := r.revoke("shop", "carl", "c2")
	counted := &observed{Log: r.log, gaps: 1}
	r.run(counted, "two")
	r.ticked(second)
	if counted.published() != 2 {
		t.Errorf("%d revocations were published, want both of the log", counted.published())
	}
}

func TestARecreatedLogIsRelayedFromItsStart(t *testing.T) {
	t.Parallel()
	r := setup(t)
	for i := range 5 {
		r.revoke("shop", "carl", fmt.Sprint("c", i))
	}
	stop := r.run(r.log, "one")
	old := r.ticked(5)
	stop()
	r.recreate()
	for i := range 7 {
		r.revoke("shop", "anna", fmt.Sprint("a", i))
	}
	r.run(r.log, "two")
	if tick := r.ticked(7); tick.StreamCreated == old.StreamCreated {
		t.Errorf("tick %+v is of the old log", tick)
	}
	sessions := map[string]bool{}
	for _, revocation := range r.relayed() {
		sessions[revocation.Session] = true
	}
	for i := range 7 {
		if !sessions[fmt.Sprint("a", i)] {
			t.Errorf("gateways are not told of session a%d", i)
		}
	}
}

func TestARevocationOfTheFutureIsRelayedByItsKey(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.login("shop", "carl", "c1")
	payload, err := json.Marshal(map[string]any{"session": "c1", "novelty": true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.conn.JetStream().PublishMsg(t.Context(), &nats.Msg{
		Subject: events.SessionSubject("shop", "carl"), Data: payload,
		Header: nats.Header{
			events.HeaderSpecVersion: {"1.0"}, events.HeaderID: {"from-the-future"}, events.HeaderType: {"session.revoked.v7"},
			events.HeaderSource: {"/test"}, events.HeaderTime: {time.Now().UTC().Format(time.RFC3339)},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.run(r.log, "one")
	r.ticked(2)
	list := r.relayed()
	if len(list) != 1 || list[0].Session != "c1" || list[0].Expires.Time().Before(time.Now().Add(300*24*time.Hour)) {
		t.Errorf("relayed %+v", list)
	}
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	r := setup(t)
	one, err := relay.New(relay.Config{Log: r.log, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := one.Ready(); !errors.Is(err, relay.ErrNotReady) {
		t.Errorf("before Run it is ready: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- one.Run(ctx) }()
	eventually(t, "the relay is ready", func() bool { return one.Ready() == nil })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAServerThatComesBackIsFollowedOn(t *testing.T) {
	t.Parallel()
	r := setup(t)
	first := r.revoke("shop", "carl", "c1")
	r.run(r.log, "one")
	r.ticked(first)
	r.server.Restart()
	eventually(t, "the log is back", func() bool {
		_, err := r.log.State(t.Context(), events.StreamSessions)
		return err == nil
	})
	second := r.revoke("shop", "carl", "c2")
	r.ticked(second)
	if list := r.relayed(); len(list) != 2 || list[1].Previous != first {
		t.Errorf("relayed %+v", list)
	}
}
