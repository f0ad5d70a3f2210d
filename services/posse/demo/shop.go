package demo

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// Tenant is whose sessions the demo's are.
const Tenant = "shop"

// Config of a demo shop.
type Config struct {
	// API is the URL of posse. Required.
	API string
	// Upstream is the URL under which the gateway has the shop's backend. Required.
	Upstream string
	// Key is a backend key of Tenant. Required.
	Key string
	// Pace is about how long a device waits between two requests; 0 means 4 s.
	Pace time.Duration
	// LossEvery is about how often a device is lost; 0 means a minute.
	LossEvery time.Duration
	// Logger; nil means slog.Default().
	Logger *slog.Logger
}

// Run opens the shop until ctx ends. The sessions stay as they are then; the
// next Run ends what an earlier one left.
func Run(ctx context.Context, config Config) error {
	config.Pace = cmp.Or(config.Pace, 4*time.Second)
	config.LossEvery = cmp.Or(config.LossEvery, time.Minute)
	config.Logger = cmp.Or(config.Logger, slog.Default()).With(slog.String("component", "demo"))
	api, err := newAPI(config)
	if err != nil {
		return err
	}
	cast, err := readCast()
	if err != nil {
		return err
	}
	shop := &shop{Config: config, api: api, cast: cast}
	manager := &manager{shop: shop}
	if err := manager.open(ctx); err != nil {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was asked to end
		}
		return err
	}
	shop.work(ctx, manager)
	return nil
}

type shop struct {
	Config

	api  *api
	cast *cast
}

func (s *shop) work(ctx context.Context, manager *manager) {
	var working sync.WaitGroup
	working.Go(func() { manager.run(ctx) })
	for i, device := range s.cast.Devices {
		working.Go(func() { (&till{shop: s, device: device}).run(ctx, i) })
	}
	working.Wait()
}

// pause waits for about a while, and returns false when ctx ends first.
func pause(ctx context.Context, about time.Duration) bool {
	timer := time.NewTimer(about/2 + rand.N(about+1)) //nolint:gosec // nobody gains from guessing what a demo does
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
