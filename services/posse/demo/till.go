package demo

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/posse-pos/posse/services/posse/client"
)

// How long things take, in paces.
const (
	shiftPaces   = 60
	breakPaces   = 8
	refreshPaces = 12
	lostPaces    = 25 // until a lost device is found or replaced
)

// till is a device at work:
//
//	away ──login──▶ working ──logout──▶ away
//	                   │ 401: somebody ended its session
//	                   ▼
//	                 lost ──found, or replaced──▶ away
type till struct {
	*shop

	device    device
	grant     client.Grant
	refreshed time.Time
}

func (t *till) run(ctx context.Context, number int) {
	// Not all at once, but soon: there should be something to see.
	if !pause(ctx, time.Duration(number+1)*t.Pace/24) {
		return
	}
	for ctx.Err() == nil {
		rest := t.Pace * breakPaces
		err := t.shift(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errLost):
			rest = t.Pace * lostPaces
			t.Logger.InfoContext(ctx, "device was signed out", slog.String("device", t.device.Label))
		case err != nil:
			t.Logger.WarnContext(ctx, "device could not work", slog.String("device", t.device.Label), slog.Any("error", err))
		}
		pause(ctx, rest)
	}
}

// shift signs in, works and leaves.
func (t *till) shift(ctx context.Context) (err error) {
	if t.grant, err = t.api.login(ctx, t.device); err != nil {
		return err
	}
	t.refreshed = time.Now()
	for range shiftPaces/2 + rand.N(shiftPaces) { //nolint:gosec // nobody gains from guessing what a demo does
		if err := t.request(ctx); err != nil {
			return err
		}
		if !pause(ctx, t.Pace) {
			return nil
		}
	}
	return t.api.logout(ctx, t.grant)
}

func (t *till) request(ctx context.Context) error {
	if time.Since(t.refreshed) > t.Pace*refreshPaces {
		next, err := t.api.refresh(ctx, t.device, t.grant)
		if err != nil {
			return err
		}
		t.grant, t.refreshed = next, time.Now()
	}
	return t.api.products(ctx, t.device, t.grant)
}
