package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/gateway/internal/denyset"
	"github.com/posse-pos/posse/pkg/gateway/internal/feed"
	"github.com/posse-pos/posse/pkg/gateway/internal/natsfeed"
)

const (
	// flushTime is how long Close tries to store the touches that wait.
	flushTime = 2 * time.Second
	// sweepInterval and sweepParts make a whole round over the deny-set in 64
	// seconds.
	sweepInterval = time.Second
	sweepParts    = 4
)

// Gateway decides whether requests are admitted. Make one with New; it is safe
// for concurrent use.
type Gateway struct {
	cfg      Config
	clock    *clock
	state    state
	verified *tokenCache
	follower *follower
	touches  *toucher
	status   *reporter
	feed     feed.Feed

	cancel  context.CancelFunc
	ended   chan struct{}
	decided decisions
	wasOK   atomic.Bool

	wasStale atomic.Bool
}

// Session is who is asking, as the token said. Roles is shared between callers
// and must not be changed.
type Session struct {
	Tenant, User string
	// ID is the session's.
	ID    string
	Roles []string
	// Expires is the end of the token, in UTC.
	Expires time.Time
	// KeyID names the key that signed the token; it may be empty.
	KeyID string
}

func (s Session) key() events.Key {
	return events.Key{Tenant: s.Tenant, User: s.User, Session: s.ID}
}

// New starts a gateway. It returns at once: the revocations are loaded in the
// background, see Ready. The gateway ends with ctx or with Close, whichever is
// first. The error wraps ErrConfig and names everything that is wrong with cfg,
// or says why NATS cannot be used.
func New(ctx context.Context, cfg Config) (*Gateway, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	source := cfg.Feed
	if source == nil {
		if source, err = connect(cfg); err != nil {
			return nil, err
		}
	}
	g := &Gateway{cfg: cfg, clock: newClock(cfg.Now), verified: newTokenCache(cfg.VerifiedTokens), feed: source, ended: make(chan struct{})}
	g.state.start = g.clock.start
	g.state.staleAt.Store(int64(never))
	g.state.set.Store(denyset.New())
	g.status = newReporter(cfg, g.clock, &g.state)
	g.touches = newToucher(cfg)
	g.follower = &follower{
		cfg: cfg, clock: g.clock, state: &g.state, keep: retention + cfg.Verifier.Leeway(),
		status: g.status.changed, report: g.status.applied,
	}
	g.loadSnapshot()
	ctx, g.cancel = context.WithCancel(ctx)
	go g.run(ctx)
	return g, nil
}

func connect(cfg Config) (feed.Feed, error) {
	source, err := natsfeed.Open(natsfeed.Config{
		Conn: cfg.NATS.Conn, URL: cfg.NATS.URL, Name: "posse-gateway " + cfg.ID,
		CredsFile: cfg.NATS.CredsFile, NKeyFile: cfg.NATS.NKeyFile,
		CAFile: cfg.NATS.CAFile, CertFile: cfg.NATS.CertFile, KeyFile: cfg.NATS.KeyFile,
		InboxPrefix: cfg.NATS.InboxPrefix, Options: cfg.NATS.Options, Tenant: cfg.Tenant, Logger: cfg.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return source, nil
}

// Close ends the gateway: it stores the touches that wait, for two seconds at
// most, says that it leaves unless it is unlisted, writes the snapshot, and waits
// for everything it started. A closed gateway goes stale.
func (g *Gateway) Close() {
	g.cancel()
	<-g.ended
}

func (g *Gateway) run(ctx context.Context) {
	defer close(g.ended)
	var parts sync.WaitGroup
	parts.Go(func() { g.follower.run(ctx, g.feed) })
	parts.Go(func() { g.touches.run(ctx, g.feed) })
	parts.Go(func() { g.status.run(ctx, g.feed) })
	parts.Go(func() { g.status.answer(ctx, g.feed) })
	parts.Go(func() { g.maintain(ctx) })
	parts.Wait()

	flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
	defer cancel()
	g.touches.flush(flush, g.feed)
	g.status.report(g.feed, true)
	g.saveSnapshot()
	g.feed.Close()
}

// maintain does what has to be done now and then.
func (g *Gateway) maintain(ctx context.Context) {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	var saved time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		g.follower.sweep(sweepParts)
		g.reportChange()
		g.logChange()
		if time.Since(saved) > snapshotInterval && g.follower.settled() {
			g.saveSnapshot()
			saved = time.Now()
		}
	}
}

// reportChange tells who counts the gateways when the gateway goes stale or becomes
// fresh, whatever its policy makes of that.
func (g *Gateway) reportChange() {
	_, stale := g.state.staleFor(g.cfg.Now())
	if g.wasStale.Swap(stale) != stale {
		g.status.changed()
	}
}

// logChange tells the log when the gateway becomes ready or ceases to be.
func (g *Gateway) logChange() {
	err := g.Ready()
	if was := g.wasOK.Swap(err == nil); was == (err == nil) {
		return
	}
	if err != nil {
		g.cfg.Logger.Error("gateway refuses requests", slog.Any("error", err), slog.String("policy", g.cfg.Stale.String()))
		return
	}
	g.cfg.Logger.Info("gateway is ready", slog.Int("entries", g.state.set.Load().Len()))
}
