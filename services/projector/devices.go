package projector

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/device"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// source is what a device is told from.
type source struct {
	declared  device.Declared
	userAgent string
}

// devices returns, by device.Hash, the devices of the logins among the facts
// that the store does not know yet.
func (f *follower) devices(ctx context.Context, facts []eventlog.Recorded) (map[string]device.Device, error) {
	sources := deviceSources(facts)
	if len(sources) == 0 {
		return map[string]device.Device{}, nil
	}
	hashes := make([]string, 0, len(sources))
	for hash := range sources {
		hashes = append(hashes, hash)
	}
	known, err := f.config.Store.Devices(ctx, device.Version, hashes)
	if err != nil {
		return nil, fmt.Errorf("projector: look up %d devices: %w", len(hashes), err)
	}
	for hash := range known {
		delete(sources, hash)
	}
	return f.parse(sources), nil
}

func deviceSources(facts []eventlog.Recorded) map[string]source {
	sources := map[string]source{}
	for i := range facts {
		login, ok := facts[i].Event.(events.LoggedIn)
		if !ok {
			continue
		}
		s := source{activesessions.Declared(login), login.Personal.UserAgent}
		sources[activesessions.DeviceHash(login)] = s
	}
	return sources
}

// parse takes a millisecond or two for each device never seen before, so it does
// a few at a time.
func (f *follower) parse(sources map[string]source) map[string]device.Device {
	parsed := make(map[string]device.Device, len(sources))
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(f.config.Parsers)
	for hash, s := range sources {
		group.Go(func() error {
			d := f.config.Parser.Parse(s.declared, s.userAgent)
			mu.Lock()
			defer mu.Unlock()
			parsed[hash] = d
			return nil
		})
	}
	_ = group.Wait() // Parse never fails
	f.metrics.parsed.Add(float64(len(parsed)))
	return parsed
}
