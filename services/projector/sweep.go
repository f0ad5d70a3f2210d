package projector

import (
	"context"
	"time"

	"github.com/posse-pos/posse/pkg/activesessions"
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

// sweepOnce counts first, has the count recorded, and only then sweeps. See
// Config.Swept for what that is worth.
func (p *Projector) sweepOnce(ctx context.Context) {
	now := p.config.Now()
	old, err := p.config.Store.Old(ctx, func(tenant string) time.Time { return now.Add(-p.config.Retention.Of(tenant)) })
	if err != nil {
		p.sweepFailed(ctx, err, "")
		return
	}
	for _, o := range old {
		if err := p.sweepTenant(ctx, o); err != nil {
			p.sweepFailed(ctx, err, o.Tenant)
		}
	}
}

func (p *Projector) sweepTenant(ctx context.Context, old activesessions.Old) error {
	if p.config.Swept != nil {
		if err := p.config.Swept(ctx, old); err != nil {
			return err
		}
	}
	swept, err := p.config.Store.Sweep(ctx, old.Tenant, old.Before)
	if swept > 0 {
		p.metrics.swept.Add(float64(swept))
		p.config.Logger.Info("swept old sessions", "tenant", old.Tenant, "before", old.Before, "sessions", swept)
	}
	return err
}

func (p *Projector) sweepFailed(ctx context.Context, err error, tenant string) {
	if ctx.Err() == nil {
		p.config.Logger.Error("sweep of old sessions failed and is tried again later", "tenant", tenant, "error", err)
	}
}
