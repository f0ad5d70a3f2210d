package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
	"github.com/posse-pos/posse/services/projector/relay"
)

// relayBatch is how many revocations a relay publishes at a time, at most.
const relayBatch = 1000

// measureRevocations fills POS_REVOCATIONS, starts gateways with all of it, and then
// revokes very many sessions at once while requests are checked.
func measureRevocations(ctx context.Context, r *run) error {
	if err := r.manyLive(ctx); err != nil {
		return err
	}
	if err := r.onBus(ctx, r.relayed); err != nil {
		return err
	}
	return r.onBus(ctx, func(ctx context.Context, rig *busRig) error { return r.burst(ctx, rig, burstGateways, 0) })
}

// manyLive starts gateways with a full stream, and has one follow a burst. What fills
// the stream does not wait for the disk, and the rest does.
func (r *run) manyLive(ctx context.Context) error {
	r.section(grouped(float64(r.Revocations)) + " live revocations, and the NATS server is a process of its own")
	rig, err := openBusRig(ctx, r.Dir, volatile)
	if err != nil {
		return err
	}
	defer rig.close()
	began := time.Now()
	if err := rig.revokeEach(ctx, 0, r.Revocations); err != nil {
		return fmt.Errorf("fill the stream: %w", err)
	}
	r.rate("the stream is filled, without a sync", float64(r.Revocations)/time.Since(began).Seconds())
	rig.shut()
	if err := rig.open(ctx, synced); err != nil {
		return fmt.Errorf("start the server again: %w", err)
	}
	defer rig.relay(ctx)()
	if err := r.startUp(ctx, rig); err != nil {
		return err
	}
	return r.burst(ctx, rig, 1, r.Revocations)
}

// onBus runs do with an empty log and a relay.
func (r *run) onBus(ctx context.Context, do func(context.Context, *busRig) error) error {
	rig, err := newBusRig(ctx, r.Dir)
	if err != nil {
		return err
	}
	defer rig.close()
	defer rig.relay(ctx)()
	return do(ctx, rig)
}

func (r *busRig) relay(ctx context.Context) (stop func()) {
	return inBackground(ctx, func(ctx context.Context) error {
		return relay.Run(ctx, relay.Config{Log: r.log, Logger: quiet})
	})
}

// revoke stores the revocations of sessions first to last, without last, as a relay
// does.
func (r *busRig) revoke(ctx context.Context, first, last int) error {
	for from := first; from < last; from += relayBatch {
		if err := r.log.PublishRevocations(ctx, "", revocationsOf(from, min(from+relayBatch, last))); err != nil {
			return err
		}
	}
	return nil
}

func revocationsOf(first, last int) []events.Revocation {
	expires := events.TimestampOf(time.Now().Add(24 * time.Hour))
	batch := make([]events.Revocation, 0, last-first)
	for i := first; i < last; i++ {
		batch = append(batch, events.Revocation{
			Tenant: tenant, Session: liveSession(i), Expires: expires,
			Cause: events.CauseTerminate, Sequence: uint64(i + 1), Previous: uint64(i),
		})
	}
	return batch
}

func liveSession(i int) string { return "0195f1c2-7d1e-7c3a-9f52-" + hex12(i) }

// follower starts a gateway as a shop has it.
func (r *busRig) follower(ctx context.Context, issuer *gatewaytest.Issuer, change func(*gateway.Config)) (*gateway.Gateway, error) {
	config := gateway.Config{
		NATS: gateway.NATS{URL: r.url}, Stale: gateway.FailClosed, Unlisted: true, Logger: quiet,
		Verifier: issuer.Verifier(), //nolint:contextcheck // its keys are fetched from nowhere
	}
	change(&config)
	return gateway.New(ctx, config)
}

// holds waits until a gateway knows n revoked sessions.
func holds(ctx context.Context, g *gateway.Gateway, n int) error {
	return ready(ctx, func() error {
		if entries := g.Stats().Entries; entries < n {
			return fmt.Errorf("gateway %s has %d of %d revocations", g.Stats().ID, entries, n)
		}
		return nil
	})
}
