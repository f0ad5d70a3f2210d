package bench

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
	"github.com/posse-pos/posse/services/projector/relay"
)

const (
	fleetConnections = 100 // that the gateways of a fleet share here
	fleetRevocations = 500
	fleetBatch       = 50
	fleetPatience    = 3 * time.Minute
)

// measureGateways connects a fleet, in two ways: as the SDK does, which hears what
// the stream stores, and with a consumer for each gateway. Then it compares what
// confirmation costs with what touches do.
func measureGateways(ctx context.Context, r *run) error {
	r.section(fmt.Sprintf("what %s gateways of one tenant cost the NATS server, which is a process of its own",
		grouped(float64(r.Gateways))))
	heard, err := r.fleetCosts(ctx, followWithSDK)
	if err != nil {
		return fmt.Errorf("the SDK: %w", err)
	}
	consumers, err := r.fleetCosts(ctx, followWithConsumers)
	if err != nil {
		return fmt.Errorf("a consumer each: %w", err)
	}
	r.row("memory of each, a consumer each", fmt.Sprintf("%d kB", consumers.memory>>10), "")
	r.row("memory of each, the SDK", fmt.Sprintf("%d kB", heard.memory>>10), "")
	r.row("cores for one tick a second, a consumer each", decimals(consumers.ticks, 3), "")
	r.row("cores for one tick a second, the SDK", decimals(heard.ticks, 3), "")
	r.ratio(heard.ticks, consumers.ticks, "≤ 1")
	r.row("CPU of a revocation in a burst, a consumer each", short(consumers.revocation), "")
	r.row("CPU of a revocation in a burst, the SDK", short(heard.revocation), "")
	r.ratio(heard.revocation.Seconds(), consumers.revocation.Seconds(), "≤ 1")
	return r.confirmationCosts(ctx)
}

// fleetCosts is what a fleet takes.
type fleetCosts struct {
	memory     uint64  // bytes of each gateway
	ticks      float64 // cores while nothing but ticks comes
	revocation time.Duration
}

// follow has n gateways follow the revocations over some connections until stop is
// called. It returns when all have loaded; each calls heard for each revocation.
type follow func(ctx context.Context, rig *busRig, conns []*nats.Conn, n int, heard func()) (stop func(), err error)

func (r *run) fleetCosts(ctx context.Context, follow follow) (c fleetCosts, err error) {
	rig, err := newBusRig(ctx, r.Dir)
	if err != nil {
		return c, err
	}
	defer rig.close()
	conns, closeAll, err := connections(rig)
	if err != nil {
		return c, err
	}
	defer closeAll()
	defer inBackground(ctx, func(ctx context.Context) error {
		return relay.Run(ctx, relay.Config{Log: rig.log, Logger: quiet})
	})()
	before, err := rig.used()
	if err != nil {
		return c, err
	}
	heard := &countdown{}
	stop, err := follow(ctx, rig, conns, r.Gateways, heard.count)
	if err != nil {
		return c, err
	}
	defer stop()
	after, err := rig.used()
	if err != nil {
		return c, err
	}
	c.memory = (after.Heap - before.Heap) / uint64(r.Gateways)
	c.ticks, err = rig.cores(func() error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(r.FleetWatched):
			return nil
		}
	})
	if err != nil {
		return c, err
	}
	c.revocation, err = r.revocationCost(ctx, rig, heard)
	return c, err
}

// revocationCost stores a burst and waits until each gateway has all of it.
func (r *run) revocationCost(ctx context.Context, rig *busRig, heard *countdown) (time.Duration, error) {
	all := heard.expect(r.Gateways * fleetRevocations)
	batch := make([]events.Revocation, fleetRevocations)
	for i := range batch {
		batch[i] = events.Revocation{
			Tenant: tenant, Session: "fleet-" + strconv.Itoa(i), Expires: events.TimestampOf(time.Now().Add(time.Hour)),
			Cause: events.CauseTerminate, Sequence: uint64(i + 1), Previous: uint64(i),
		}
	}
	used, err := rig.cpuOf(func() error {
		for chunk := range slices.Chunk(batch, fleetBatch) {
			if err := rig.log.PublishRevocations(ctx, "", chunk); err != nil {
				return err
			}
		}
		select {
		case <-all:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(fleetPatience):
			return fmt.Errorf("after %v the %d gateways lack %d of the %d revocations that each was to hear",
				fleetPatience, r.Gateways, heard.missing(), fleetRevocations)
		}
	})
	return used / fleetRevocations, err
}

func connections(rig *busRig) (conns []*nats.Conn, closeAll func(), err error) {
	closeAll = func() {
		for _, c := range conns {
			c.Close()
		}
	}
	for range fleetConnections {
		c, err := nats.Connect(rig.url)
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		conns = append(conns, c)
	}
	return conns, closeAll, nil
}

// followWithSDK runs the gateways of a vendor's.
func followWithSDK(ctx context.Context, _ *busRig, conns []*nats.Conn, n int, heard func()) (func(), error) {
	return startFleet(ctx, n, func(i int, c *gateway.Config) {
		c.NATS.Conn, c.Unlisted = conns[i%len(conns)], true
		c.Hooks.Revoked = func(string, string) { heard() }
	})
}

// startFleet runs n gateways of the SDK until stop is called. It returns when all
// are ready.
func startFleet(ctx context.Context, n int, configure func(i int, c *gateway.Config)) (stop func(), err error) {
	verifier := gatewaytest.NewIssuer().Verifier() //nolint:contextcheck // its keys are fetched from nowhere
	running := make([]*gateway.Gateway, n)
	stop = func() {
		_ = shared(n, fleetConnections, func(i int) error {
			if running[i] != nil {
				running[i].Close()
			}
			return nil
		})
	}
	err = shared(n, fleetConnections, func(i int) (err error) {
		config := gateway.Config{Verifier: verifier, Tenant: tenant, Stale: gateway.FailClosed, Logger: quiet}
		configure(i, &config)
		if running[i], err = gateway.New(ctx, config); err != nil {
			return err
		}
		return ready(ctx, running[i].Ready)
	})
	if err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

// followWithConsumers gives each gateway an ordered consumer, which begins again
// where something was lost, and does nothing with what it brings. The stream lets
// there be as many as it takes.
func followWithConsumers(ctx context.Context, rig *busRig, conns []*nats.Conn, n int, heard func()) (func(), error) {
	if err := rig.letConsumersLast(ctx, n); err != nil {
		return nil, err
	}
	running := make([]jetstream.ConsumeContext, n)
	stop := func() {
		for _, c := range running {
			if c != nil {
				c.Stop()
			}
		}
	}
	err := shared(n, fleetConnections, func(i int) error {
		js, err := jetstream.New(conns[i%len(conns)])
		if err != nil {
			return err
		}
		consumer, err := js.OrderedConsumer(ctx, events.StreamRevocations, jetstream.OrderedConsumerConfig{
			FilterSubjects:    []string{events.RevocationSubject(tenant), events.SubjectTick},
			InactiveThreshold: time.Minute,
		})
		if err != nil {
			return err
		}
		running[i], err = consumer.Consume(func(m jetstream.Msg) {
			if m.Subject() != events.SubjectTick {
				heard()
			}
		}, jetstream.PullHeartbeat(1500*time.Millisecond))
		return err
	})
	if err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

// letConsumersLast makes the stream anew, so that n gateways can have a consumer and
// another in its place, and none hears it otherwise.
func (r *busRig) letConsumersLast(ctx context.Context, n int) error {
	js := r.conn.JetStream()
	stream, err := js.Stream(ctx, events.StreamRevocations)
	if err != nil {
		return err
	}
	config := stream.CachedInfo().Config
	config.MaxConsumers, config.RePublish = 2*n, nil
	if err := js.DeleteStream(ctx, events.StreamRevocations); err != nil {
		return err
	}
	_, err = js.CreateStream(ctx, config)
	return err
}
