package bench

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/posse-pos/posse/pkg/activesessions/memstore"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
	"github.com/posse-pos/posse/services/projector/relay"
	"github.com/posse-pos/posse/services/recorder"
)

const revocationsTimed = 300

// measureRevocation times the way from the answer of a Terminate to the refusal
// at every gateway, with all of them in this process.
func measureRevocation(ctx context.Context, r *run) error {
	r.section("from Terminate's answer to the first refusal")
	for _, setting := range []struct {
		gateways int
		aim      string
	}{{1, "≤ 10ms"}, {200, "≤ 50ms"}} {
		samples, err := r.refusals(ctx, setting.gateways)
		if err != nil {
			return err
		}
		r.latency(fmt.Sprintf("%d gateways connected", setting.gateways), samples, setting.aim)
	}
	return nil
}

func (r *run) refusals(ctx context.Context, gateways int) ([]time.Duration, error) {
	rig, err := newRig(ctx, r.Dir)
	if err != nil {
		return nil, err
	}
	defer rig.close()
	store := memstore.New(memstore.Config{})
	stop, err := rig.project(ctx, store)
	if err != nil {
		return nil, err
	}
	defer stop()
	defer inBackground(ctx, func(ctx context.Context) error {
		return relay.Run(ctx, relay.Config{Log: rig.log, Logger: quiet})
	})()
	rec, err := recorder.New(recorder.Config{Log: rig.log, Reader: store, Bus: rig.conn, Logger: quiet})
	if err != nil {
		return nil, err
	}
	seen := newSightings(gateways)
	stopGateways, err := connectGateways(ctx, rig, gateways, seen)
	if err != nil {
		return nil, err
	}
	defer stopGateways()
	return terminateEach(ctx, rec, seen)
}

// connectGateways gives each its own connection, and waits until all are ready.
func connectGateways(ctx context.Context, rig *rig, n int, seen *sightings) (stop func(), err error) {
	verifier := gatewaytest.NewIssuer().Verifier() //nolint:contextcheck // its keys are fetched from nowhere
	var running []*gateway.Gateway
	stop = func() {
		for _, g := range running {
			g.Close()
		}
	}
	for i := range n {
		g, err := gateway.New(ctx, gateway.Config{
			NATS: gateway.NATS{URL: rig.server.URL()}, Verifier: verifier, Stale: gateway.FailClosed, Logger: quiet,
			ID: "bench-" + strconv.Itoa(i), Hooks: gateway.Hooks{Revoked: seen.at},
		})
		if err != nil {
			stop()
			return nil, err
		}
		running = append(running, g)
	}
	for _, g := range running {
		if err := ready(ctx, g.Ready); err != nil {
			stop()
			return nil, err
		}
	}
	return stop, nil
}

// terminateEach signs people in and out and returns how long after each answer
// each gateway refused.
func terminateEach(ctx context.Context, rec *recorder.Recorder, seen *sightings) ([]time.Duration, error) {
	var samples []time.Duration
	for i := range revocationsTimed {
		login, err := rec.Login(ctx, commands.Login{
			Caller: commands.Caller{Principal: backend}, User: "user-" + strconv.Itoa(i), Personal: loginDevice,
		})
		if err != nil {
			return nil, err
		}
		all := seen.expect(login.Session)
		end := commands.EndSession{Caller: commands.Caller{Principal: admin}, Session: login.Session}
		if _, err := rec.EndSession(ctx, end); err != nil {
			return nil, err
		}
		answered := time.Now()
		select {
		case <-all:
		case <-time.After(10 * time.Second):
			return nil, fmt.Errorf("not every gateway refused session %d of %d in 10 s", i+1, revocationsTimed)
		}
		for _, at := range seen.times() {
			samples = append(samples, max(at.Sub(answered), 0))
		}
	}
	return samples, nil
}

// sightings notes when each gateway refuses the session that is awaited.
type sightings struct {
	gateways int

	mu      sync.Mutex
	session string
	moments []time.Time
	all     chan struct{}
}

func newSightings(gateways int) *sightings { return &sightings{gateways: gateways} }

func (s *sightings) expect(session string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.session, s.moments, s.all = session, nil, make(chan struct{})
	return s.all
}

func (s *sightings) at(_, session string) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if session != s.session {
		return
	}
	if s.moments = append(s.moments, now); len(s.moments) == s.gateways {
		close(s.all)
	}
}

func (s *sightings) times() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.moments
}
