package recorder

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/session"
)

// sweepStep is how many sessions one look at the read model takes.
const sweepStep = 500

// sweep ends idle sessions, now and then, until the context ends.
func (r *Recorder) sweep(ctx context.Context) {
	ticker := time.NewTicker(r.config.SweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			r.Sweep(ctx)
		}
	}
}

// Sweep looks once for sessions that are idle by their tenant's policy, and
// ends them. Any number of recorders may do so at once. Run does it by itself.
func (r *Recorder) Sweep(ctx context.Context) {
	if r.users.reader == nil {
		return
	}
	for _, tenant := range r.sweptTenants() {
		if err := r.sweepTenant(ctx, tenant); err != nil && ctx.Err() == nil {
			r.logger.WarnContext(ctx, "sweep of idle sessions is cut short", slog.String("tenant", tenant), slog.Any("error", err))
		}
	}
}

func (r *Recorder) sweptTenants() []string {
	tenants := slices.Collect(maps.Keys(r.config.Policies.Tenants))
	if r.config.Tenants != nil {
		tenants = append(tenants, r.config.Tenants()...)
	}
	slices.Sort(tenants)
	return slices.DeleteFunc(slices.Compact(tenants), func(tenant string) bool {
		return r.config.Policies.Of(tenant).IdleTimeout <= 0
	})
}

func (r *Recorder) sweepTenant(ctx context.Context, tenant string) error {
	timeout := r.config.Policies.Of(tenant).IdleTimeout
	var after events.Key
	for {
		now := r.config.now()
		// Whoever was last seen exactly a timeout ago is idle, too.
		since := now.Add(time.Millisecond - timeout)
		idle, next, err := r.users.reader.Idle(ctx, tenant, since, now, after, sweepStep)
		if err != nil {
			return err
		}
		for _, key := range idle {
			if err := r.endIdle(ctx, key, timeout); err != nil {
				return err
			}
		}
		if next == (events.Key{}) {
			return nil
		}
		after = next
	}
}

// endIdle asks the log for the newest touch first: the read model may not have
// seen it yet.
func (r *Recorder) endIdle(ctx context.Context, key events.Key, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, r.config.Timeout)
	defer cancel()
	seen, err := r.lastTouch(ctx, key)
	if err != nil {
		return err
	}
	done, err := r.carryOut(ctx, order{
		who: ref{Tenant: key.Tenant, User: key.User}, id: idOf(""),
		command: session.EndIdle{
			Ending: session.Ending{
				Tenant: key.Tenant, User: key.User, Now: r.config.now(),
				CommandID: newID(), By: events.InitiatedByPolicy,
			},
			Session: key.Session, LastSeen: seen, Timeout: timeout,
		},
	})
	r.metrics.swept.Add(float64(len(done.Ended)))
	return err
}
