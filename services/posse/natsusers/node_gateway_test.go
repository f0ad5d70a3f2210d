package natsusers_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
	"github.com/posse-pos/posse/pkg/natstest"
)

// nodeGateway is where the example of a gateway in Node is.
const nodeGateway = "../../../deployments/gateways/node"

// TestTheGatewayInNodeNeedsTheShippedUserOnly connects the example with the nkey of
// GATEWAY.
func TestTheGatewayInNodeNeedsTheShippedUserOnly(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(nodeGateway + "/node_modules/@nats-io/transport-node"); err != nil {
		t.Fatal("the example's packages are missing: `make test` installs them")
	}
	s := newSite(t)
	address := s.start("nats.conf").URL()
	log := s.declare(address)
	s.relay(address)
	issuer := gatewaytest.NewIssuer()
	door := s.startNodeGateway(address, issuer)
	ask := func(session string) int { return s.ask(door, issuer.Token("shop", "anna", session)) }
	eventually(t, "the example admits", func() bool { return ask("s1") == http.StatusOK })
	s.revoke(log, events.Key{Tenant: "shop", User: "anna", Session: "s1"})
	eventually(t, "it refuses who was revoked", func() bool { return ask("s1") == http.StatusUnauthorized })
	if got := ask("s2"); got != http.StatusOK {
		t.Errorf("another session is answered %d", got)
	}
}

// startNodeGateway runs the example as the user GATEWAY until the test ends, and
// returns its URL.
func (s *site) startNodeGateway(address string, issuer *gatewaytest.Issuer) string {
	s.t.Helper()
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(issuer.JWKS()) }))
	s.t.Cleanup(keys.Close)
	seed, err := os.ReadFile(s.seed("gateway"))
	s.must(err)
	listen := natstest.FreeAddress(s.t)
	ctx, stop := context.WithCancel(context.WithoutCancel(s.t.Context()))
	node := exec.CommandContext(ctx, "node", "gateway.mjs")
	node.Dir = filepath.Clean(nodeGateway)
	node.Env = append(os.Environ(), "POSSE_NATS="+address, "POSSE_NKEY="+string(bytes.TrimSpace(seed)), "POSSE_TENANT=shop",
		"POSSE_ISSUER="+gatewaytest.Name, "POSSE_JWKS="+keys.URL, "POSSE_LISTEN="+listen)
	node.Stdout, node.Stderr = s.t.Output(), s.t.Output()
	node.Cancel = func() error { return node.Process.Signal(syscall.SIGTERM) }
	node.WaitDelay = 5 * time.Second
	s.must(node.Start())
	var running sync.WaitGroup
	running.Go(func() { _ = node.Wait() })
	s.t.Cleanup(func() { stop(); running.Wait() })
	return "http://" + listen + "/"
}

// ask returns what a door answers about a token; 0 if it does not.
func (s *site) ask(door, token string) int {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, door, http.NoBody)
	s.must(err)
	request.Header.Set("Authorization", "Bearer "+token)
	request.Close = true
	client := &http.Client{Timeout: 10 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	return response.StatusCode
}
