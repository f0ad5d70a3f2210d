package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
)

const (
	burstGateways   = 10   // that follow one burst together
	checkedSessions = 1000 // good ones that go on asking
	checkEvery      = time.Millisecond
	markEvery       = 20 * time.Millisecond
	// storedEach is how many revocations are stored to compare how they are stored.
	storedEach = 10_000
	// burstPatience is how long gateways may take to apply a burst.
	burstPatience = 5 * time.Minute
)

// relayed compares what a relay does with a publish for each revocation.
func (r *run) relayed(ctx context.Context, rig *busRig) error {
	r.section("revocations stored, with every write synced")
	n, next := min(r.Burst, storedEach), 0
	store := func(name string, revoke func(ctx context.Context, first, last int) error) workload {
		return plain(name, func(ctx context.Context) (int, error) {
			next += n
			return n, revoke(ctx, next-n, next)
		})
	}
	return r.compare(ctx, store("as a relay stores them", rig.revoke), store("with a publish for each", rig.revokeEach), "≥ 2")
}

// revokeEach stores as many at a time as revoke does, without atomic batches: it
// publishes them and then awaits their acknowledgements.
func (r *busRig) revokeEach(ctx context.Context, first, last int) error {
	for chunk := range slices.Chunk(revocationsOf(first, last), relayBatch) {
		acknowledged := make([]jetstream.PubAckFuture, len(chunk))
		for i, revocation := range chunk {
			data, err := json.Marshal(revocation)
			if err != nil {
				return err
			}
			if acknowledged[i], err = r.conn.JetStream().PublishAsync(events.RevocationSubject(tenant), data); err != nil {
				return err
			}
		}
		for _, each := range acknowledged {
			select {
			case <-each.Ok():
			case err := <-each.Err():
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// burst is what is seen of one.
type burst struct {
	rig      *busRig
	gateways []*gateway.Gateway
	tokens   []string
	seen     *sightings
}

// burst ends sessions first and following, as fast as the log takes them, while
// gateways follow what the relay makes of it.
func (r *run) burst(ctx context.Context, rig *busRig, gateways, first int) error {
	b := &burst{rig: rig, seen: newSightings(gateways)}
	defer b.close()
	if err := b.start(ctx, gateways); err != nil {
		return err
	}
	held := b.gateways[0].Stats().Entries
	r.section(fmt.Sprintf("%s sessions end at once, and the gateways that hear of it: %d, which hold %s revocations",
		grouped(float64(r.Burst)), gateways, grouped(float64(held))))
	calm := b.watch(ctx)
	if err := steadily(ctx, r.FleetWatched/4, 0, nil); err != nil {
		return err
	}
	before := calm()
	reads, err := rig.consumersMade()
	if err != nil {
		return err
	}
	watched, marked := b.watch(ctx), b.mark(ctx)
	began := time.Now()
	err = rig.end(ctx, first, first+r.Burst)
	logged := time.Since(began)
	if err == nil {
		err = b.applied(ctx, liveSession(first+r.Burst-1))
	}
	applied := time.Since(began)
	marks, during := marked(), watched()
	n := reads()
	if err := errors.Join(err, marks.err); err != nil {
		return err
	}
	r.row("until all are in the log", short(logged), "")
	r.row("until every gateway refuses all", short(applied), "")
	r.rate("  which is", float64(r.Burst)/applied.Seconds())
	r.checksCompared(before, during)
	r.latency("a revocation among them, until it is stored", marks.stored, "")
	r.latency("  and from then until each gateway refuses", marks.refused, "")
	r.row("good sessions refused meanwhile", fmt.Sprintf("%d of %d", during.refused, during.refused+len(during.took)), "0")
	r.row("gateways stale meanwhile", fmt.Sprintf("%d, for %s at most", during.stale, short(during.longest)), "0")
	r.row("reads of the stream for what was not heard", strconv.Itoa(n), "")
	return nil
}

func (r *run) checksCompared(before, during checks) {
	r.latency("Check of a good session before", before.took, "")
	r.latency("Check of a good session during it", during.took, "≤ 1ms")
	r.row("  the longest before, and during it", short(percentile(before.took, 100))+", "+short(percentile(during.took, 100)), "")
	if len(during.took) > 0 {
		r.ratio(percentile(during.took, 99).Seconds(), percentile(before.took, 99).Seconds(), "")
	}
}

// end appends the end of each session to the log, in batches as large as the log
// takes.
func (r *busRig) end(ctx context.Context, first, last int) error {
	for from := first; from < last; from += natslog.MaxAppend {
		facts := make([]events.Envelope, 0, natslog.MaxAppend)
		for i := from; i < min(from+natslog.MaxAppend, last); i++ {
			key := events.Key{Tenant: tenant, User: "user-" + strconv.Itoa(from), Session: liveSession(i)}
			facts = append(facts, revocationOf(key, time.Now()))
		}
		if _, err := r.log.Append(ctx, facts, nil); err != nil {
			return err
		}
	}
	return nil
}

func (b *burst) start(ctx context.Context, n int) error {
	issuer := gatewaytest.NewIssuer()
	for i := range n {
		g, err := b.rig.follower(ctx, issuer, func(c *gateway.Config) {
			c.ID, c.Hooks.Revoked = "burst-"+strconv.Itoa(i), b.seen.at
		})
		if err != nil {
			return err
		}
		b.gateways = append(b.gateways, g)
	}
	for _, g := range b.gateways {
		if err := ready(ctx, g.Ready); err != nil {
			return err
		}
	}
	for i := range checkedSessions {
		b.tokens = append(b.tokens, issuer.Token(tenant, "anna", "good-"+strconv.Itoa(i)))
		for _, g := range b.gateways { // so that each is verified once
			if _, err := g.Check(b.tokens[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *burst) close() {
	for _, g := range b.gateways {
		g.Close()
	}
}

// applied waits until each gateway refuses the session that was ended last: what a
// gateway hears it hears in order.
func (b *burst) applied(ctx context.Context, last string) error {
	began := time.Now()
	for _, g := range b.gateways {
		for !g.Revoked(tenant, last) {
			if time.Since(began) > burstPatience {
				return fmt.Errorf("gateway %s has %d revocations and not the last after %v", g.Stats().ID, g.Stats().Entries, burstPatience)
			}
			if err := steadily(ctx, time.Millisecond, 0, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// checks is what good sessions met.
type checks struct {
	took    []time.Duration // of those admitted
	refused int
	stale   int           // gateways that refused, which is what these do when they are stale
	longest time.Duration // that one did
}

func (c *checks) add(other checks) {
	c.took = append(c.took, other.took...)
	c.refused += other.refused
	c.stale += other.stale
	c.longest = max(c.longest, other.longest)
}

// watch has good sessions ask each gateway until stop is called.
func (b *burst) watch(ctx context.Context) (stop func() checks) {
	ctx, cancel := context.WithCancel(ctx)
	each := make(chan checks, len(b.gateways))
	for _, g := range b.gateways {
		go func() { each <- b.check(ctx, g) }()
	}
	return func() (all checks) {
		cancel()
		for range b.gateways {
			all.add(<-each)
		}
		return all
	}
}

func (b *burst) check(ctx context.Context, g *gateway.Gateway) (c checks) {
	ticker := time.NewTicker(checkEvery)
	defer ticker.Stop()
	var since time.Time // of the refusals
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return c
		case <-ticker.C:
		}
		began := time.Now()
		_, err := g.Check(b.tokens[i%len(b.tokens)])
		took := time.Since(began)
		if err == nil {
			c.took, since = append(c.took, took), time.Time{}
			continue
		}
		if since.IsZero() {
			since = began
		}
		c.refused, c.stale, c.longest = c.refused+1, 1, max(c.longest, time.Since(since))
	}
}

// marks are single revocations in the middle of a burst.
type marks struct {
	stored, refused []time.Duration
	err             error
}

// mark stores them one after the other until stop is called.
func (b *burst) mark(ctx context.Context) (stop func() marks) {
	ctx, cancel := context.WithCancel(ctx)
	result := make(chan marks, 1)
	go func() {
		var m marks
		for i := 0; m.err == nil && steadily(ctx, markEvery, 0, nil) == nil; i++ {
			m.err = b.markOnce(context.WithoutCancel(ctx), "marked-"+strconv.Itoa(i), &m)
		}
		result <- m
	}()
	return func() marks {
		cancel()
		return <-result
	}
}

func (b *burst) markOnce(ctx context.Context, session string, m *marks) error {
	all := b.seen.expect(session)
	began := time.Now()
	// It says nothing of a gateway's position.
	err := b.rig.log.PublishRevocations(ctx, "", []events.Revocation{{
		Tenant: tenant, Session: session, Expires: events.TimestampOf(began.Add(24 * time.Hour)),
		Cause: events.CauseTerminate, Sequence: 1, Previous: math.MaxInt64,
	}})
	if err != nil {
		return err
	}
	stored := time.Now()
	select {
	case <-all:
	case <-time.After(burstPatience):
		return fmt.Errorf("not every gateway refuses %s after %v", session, burstPatience)
	}
	m.stored = append(m.stored, stored.Sub(began))
	for _, at := range b.seen.times() {
		m.refused = append(m.refused, max(at.Sub(stored), 0))
	}
	return nil
}

// consumersMade counts how often a gateway reads the stream with a consumer.
func (r *busRig) consumersMade() (stop func() int, err error) {
	var n atomic.Int64
	unsubscribe, err := r.conn.Subscribe("$JS.API.CONSUMER.CREATE."+events.StreamRevocations+".>", func(string, []byte) { n.Add(1) })
	if err != nil {
		return nil, err
	}
	return func() int {
		unsubscribe()
		return int(n.Load())
	}, nil
}
