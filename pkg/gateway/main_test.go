package gateway_test

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
)

func TestMain(m *testing.M) {
	// A publisher that is cleaned up before this one has read its channel leaves it
	// with none.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/nats-io/nats.go/jetstream.(*jetStream).resetPendingAcksOnReconnect"))
}

// rig is a gateway on a fake feed, with a clock that stands still.
type rig struct {
	*gateway.Gateway
	feed   *gatewaytest.Feed
	issuer *gatewaytest.Issuer
	clock  *gatewaytest.Clock
	t      *testing.T // of the bubble that the rig is in, if it is in one
}

// setup starts a gateway that fails closed, unless change says otherwise.
func setup(t *testing.T, change func(*rig, *gateway.Config)) *rig {
	t.Helper()
	r := &rig{feed: gatewaytest.NewFeed(), issuer: gatewaytest.NewIssuer(), clock: gatewaytest.NewClock()}
	r.feed.Now, r.issuer.Now = r.clock.Now, r.clock.Now
	cfg := gateway.Config{
		Feed: r.feed, Verifier: r.issuer.Verifier(), ID: "gateway-1", Stale: gateway.FailClosed,
		Now: r.clock.Now, Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(r, &cfg)
	}
	var err error
	if r.Gateway, err = gateway.New(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func (r *rig) ready(t *testing.T) *rig {
	t.Helper()
	gatewaytest.WaitReady(t, r.Gateway)
	return r
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(15 * time.Second)
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	for !condition() {
		select {
		case <-deadline:
			t.Fatalf("never happened: %s", what)
		case <-again.C:
		}
	}
}

// reason returns the reason of a denial, and "allowed" for none.
func reason(err error) gateway.Reason {
	var denial *gateway.Denial
	switch {
	case err == nil:
		return gateway.ReasonAllowed
	case errors.As(err, &denial):
		return denial.Reason
	default:
		return gateway.Reason("not a denial: " + err.Error())
	}
}

func (r *rig) check(token string) gateway.Reason {
	_, err := r.Check(token)
	return reason(err)
}
