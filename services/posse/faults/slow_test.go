package faults_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/gateway"
)

// TestASlowGatewayHurtsNobodyElse has something connect to NATS as a gateway does and
// read nothing of what it listens to. The server keeps so much for it and no more, and
// cuts it off; other gateways hear of every end.
func TestASlowGatewayHurtsNobodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.newGateway(gateway.FailClosed, "")
	t.Cleanup(g.Close)
	w.eventually("the gateway is ready", func() bool { return g.Ready() == nil })

	slow, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", w.server.Server().Addr().String())
	w.must(err)
	t.Cleanup(func() { _ = slow.Close() })
	_, err = fmt.Fprint(slow, "CONNECT {\"verbose\":false}\r\nSUB pos.v1.> 1\r\nPING\r\n")
	w.must(err)
	reader := bufio.NewReader(slow)
	for line := ""; !strings.HasPrefix(line, "PONG"); {
		line, err = reader.ReadString('\n')
		w.must(err)
	}

	loud, err := bus.Connect(t.Context(), bus.Config{URL: w.server.URL(), Name: "loud", Logger: w.logger})
	w.must(err)
	t.Cleanup(loud.Close)
	const most = 256 // times half a megabyte, twice what a server keeps for one
	payload := make([]byte, 512<<10)
	for n := 0; w.server.Server().NumSlowConsumers() == 0; n++ {
		if n == most {
			t.Fatal("128 MB are kept for a gateway that reads nothing")
		}
		w.must(loud.Publish("pos.v1.live.flood", payload))
		session := fmt.Sprint("session-", n)
		w.must(w.end(t.Context(), session))
		w.eventually(session+" is refused", func() bool { return g.Revoked(tenant, session) })
	}
	if g.Stats().Stale {
		t.Error("the other gateway is stale")
	}
}

// eventually waits for a condition.
func (w *world) eventually(what string, condition func() bool) {
	w.t.Helper()
	deadline, tick := time.After(patience), time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-deadline:
			w.t.Fatalf("never came true: %s", what)
		case <-tick.C:
		}
	}
}
