package projector

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/posse-pos/posse/events"
)

// sweep takes away, every SweepEvery, what ended longer ago than its tenant keeps it.
func (p *Projector) sweep(ctx context.Context) {
	ticker := time.NewTicker(p.config.SweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		p.sweepOnce(ctx)
	}
}

// Swept is what a sweep takes away of a tenant: sessions that ended before a moment,
// and the keys of what the history says about people and was stored in quarters that
// were over then. Both are counted beforehand, and facts that come late may add some.
type Swept struct {
	Tenant         string
	Before         time.Time
	Sessions, Keys int

	quarters []string // whose keys
}

// sweepOnce counts first, has the count recorded, and only then sweeps. See
// Config.Swept for what that is worth.
func (p *Projector) sweepOnce(ctx context.Context) {
	old, err := p.old(ctx, p.config.Now())
	if err != nil {
		p.sweepFailed(ctx, err, "")
		return
	}
	for _, tenant := range slices.Sorted(maps.Keys(old)) {
		if err := p.sweepTenant(ctx, *old[tenant]); err != nil {
			p.sweepFailed(ctx, err, tenant)
		}
	}
}

// old returns what is to be swept, by tenant.
func (p *Projector) old(ctx context.Context, now time.Time) (map[string]*Swept, error) {
	before := func(tenant string) time.Time { return now.Add(-p.config.Retention.Of(tenant)) }
	old := map[string]*Swept{}
	of := func(tenant string) *Swept {
		if old[tenant] == nil {
			old[tenant] = &Swept{Tenant: tenant, Before: before(tenant)}
		}
		return old[tenant]
	}
	sessions, err := p.config.Store.Old(ctx, before)
	if err != nil {
		return nil, err
	}
	for _, some := range sessions {
		of(some.Tenant).Sessions = some.Sessions
	}
	keys, err := p.config.Log.OldKeys(ctx, now.Add(-MinRetention))
	if err != nil {
		return nil, err
	}
	for _, some := range keys {
		if some.Quarter < events.Quarter(before(some.Tenant)) {
			swept := of(some.Tenant)
			swept.Keys += some.Keys
			swept.quarters = append(swept.quarters, some.Quarter)
		}
	}
	return old, nil
}

func (p *Projector) sweepTenant(ctx context.Context, old Swept) error {
	if p.config.Swept != nil {
		if err := p.config.Swept(ctx, old); err != nil {
			return err
		}
	}
	sessions, err := p.config.Store.Sweep(ctx, old.Tenant, old.Before)
	p.metrics.swept.Add(float64(sessions))
	keys := 0
	for _, quarter := range old.quarters {
		destroyed, failure := p.config.Log.DestroyQuarter(ctx, old.Tenant, quarter)
		keys, err = keys+destroyed, errors.Join(err, failure)
	}
	if sessions+keys > 0 {
		p.config.Logger.Info("swept what was kept for long enough",
			"tenant", old.Tenant, "before", old.Before, "sessions", sessions, "keys", keys)
	}
	return err
}

func (p *Projector) sweepFailed(ctx context.Context, err error, tenant string) {
	if ctx.Err() == nil {
		p.config.Logger.Error("sweep of old sessions failed and is tried again later", "tenant", tenant, "error", err)
	}
}
