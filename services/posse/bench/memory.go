package bench

import (
	"context"
	"fmt"
	"runtime"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/activesessions/memstore"
	"github.com/posse-pos/posse/pkg/device"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
)

// measureMemory prints what one more session costs.
func measureMemory(ctx context.Context, r *run) error {
	r.section("memory")
	perSession, err := sessionBytes(ctx)
	if err != nil {
		return err
	}
	r.row("per active session in the read model in memory", fmt.Sprintf("%d bytes", perSession), "")
	perEntry, err := entryBytes(ctx)
	if err != nil {
		return err
	}
	r.row("per entry in a gateway's deny-set", fmt.Sprintf("%d bytes", perEntry), "")
	return nil
}

// sessionBytes folds as many logins as the projector's part, five of each user.
func sessionBytes(ctx context.Context) (uint64, error) {
	facts := make([]eventlog.Recorded, 0, projected)
	for i, envelope := range projectedLogins() {
		facts = append(facts, eventlog.Recorded{
			Envelope: envelope, Stream: events.StreamSessions, Sequence: uint64(i + 1), Time: envelope.Time,
		})
	}
	store := memstore.New(memstore.Config{})
	before := heap()
	from := eventlog.Position{Stream: events.StreamSessions}
	for i := 0; i < len(facts); i += bareBatch {
		batch := activesessions.Batch{Facts: facts[i : i+bareBatch], Devices: map[string]device.Device{}, From: from, To: from}
		batch.To.Sequence, batch.To.ID = facts[i+bareBatch-1].Sequence, facts[i+bareBatch-1].ID
		if _, err := store.Apply(ctx, batch); err != nil {
			return 0, err
		}
		from = batch.To
	}
	used := heap() - before
	runtime.KeepAlive(store)
	runtime.KeepAlive(facts)
	return used / projected, nil
}

// entryBytes loads a million revocations into a gateway.
func entryBytes(ctx context.Context) (uint64, error) {
	feed := gatewaytest.NewFeed()
	for i := range denied {
		feed.Revoke("shop", "0195f1c2-7d1e-7c3a-9f52-"+hex12(i))
	}
	before := heap()
	g, err := gateway.New(ctx, gateway.Config{
		Feed: feed, Stale: gateway.FailOpen, Logger: quiet,
		Verifier: gatewaytest.NewIssuer().Verifier(), //nolint:contextcheck // its keys are fetched from nowhere
	})
	if err != nil {
		return 0, err
	}
	defer g.Close()
	if err := ready(ctx, g.Ready); err != nil {
		return 0, err
	}
	used := heap() - before
	runtime.KeepAlive(feed)
	return used / denied, nil
}

// heap is what is in use after everything unreachable was freed.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
