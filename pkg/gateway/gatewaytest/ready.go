package gatewaytest

import (
	"testing"
	"time"

	"github.com/posse-pos/posse/pkg/gateway"
)

// patience is how long a test waits for what should take milliseconds.
const patience = 10 * time.Second

// WaitReady returns when the gateway admits requests, and fails the test if it
// does not within ten seconds.
func WaitReady(tb testing.TB, g *gateway.Gateway) {
	tb.Helper()
	deadline := time.After(patience)
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for g.Ready() != nil {
		select {
		case <-deadline:
			tb.Fatalf("gateway is not ready: %v", g.Ready())
		case <-again.C:
		}
	}
}
