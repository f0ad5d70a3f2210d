package main

import (
	"context"
	"errors"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/pgtest"
	"github.com/posse-pos/posse/services/posse/client"
	"github.com/posse-pos/posse/services/projector/relay"
)

// TestRevokedBeforeTheReadModelKnows has no projector, only the relay of one: the
// read model never hears of a session that is ended, and yet the APIs refuse its
// token.
func TestRevokedBeforeTheReadModelKnows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key, err := exec.CommandContext(t.Context(), "posse", "keys", "create", "--keys", filepath.Join(dir, "keys")).Output()
	if err != nil {
		t.Fatal(err)
	}
	addresses := startWithoutProjector(t, dir)
	recorder := newClient(t, addresses["RECORDER"], strings.TrimSpace(string(key)))
	apis := map[string]*client.Client{}
	cashier, admin := login(t, recorder, client.Login{User: "7"}), login(t, recorder, client.Login{User: "1", Roles: []string{"admin"}})
	for _, role := range []string{"RECORDER", "QUERY"} {
		apis[role] = newClient(t, addresses[role], cashier)
		if got := refusal(t, apis[role]); got != "not_found" {
			t.Errorf("before its session is ended, the %s answers a token with %q", role, got)
		}
	}

	ended, err := newClient(t, addresses["QUERY"], admin).End(t.Context(), client.End{User: "7"})
	if err != nil || ended.Ended != 1 {
		t.Fatalf("ended %+v: %v", ended, err)
	}
	start := time.Now()
	for role, api := range apis {
		tick := time.NewTicker(5 * time.Millisecond)
		for refusal(t, api) != "session_revoked" {
			if time.Since(start) > patience {
				t.Fatalf("the %s still takes the token", role)
			}
			<-tick.C
		}
		tick.Stop()
		t.Logf("the %s refuses the token within %v", role, time.Since(start).Round(time.Millisecond))
	}
}

// startWithoutProjector starts a recorder, a relay in this process, and a query
// process, which is not ready without a relay.
func startWithoutProjector(t *testing.T, dir string) map[string]string {
	t.Helper()
	p := &processes{postgres: pgtest.New(t)}
	t.Cleanup(func() { _ = p.end(syscall.SIGKILL) })
	nats, err := p.startNATS(dir)
	if err != nil {
		t.Fatal(err)
	}
	recorder, err := p.startRole(dir, "recorder", p.environment(dir, nats))
	if err != nil {
		t.Fatal(err)
	}
	startRelay(t, nats, seedFile(dir, "projector"))
	addresses, err := p.startRole(dir, "query", p.environment(dir, nats))
	if err != nil {
		t.Fatal(err)
	}
	addresses["RECORDER"] = recorder["RECORDER"]
	return addresses
}

func startRelay(t *testing.T, nats, seed string) {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	conn, err := bus.Connect(t.Context(), bus.Config{URL: nats, NKeyFile: seed, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	log, err := natslog.Open(t.Context(), conn, natslog.Config{Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	relaying, err := relay.New(relay.Config{Log: log, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { _ = relaying.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
}

func newClient(t *testing.T, base, bearer string) *client.Client {
	t.Helper()
	c, err := client.New(base, bearer)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func login(t *testing.T, backend *client.Client, who client.Login) (token string) {
	t.Helper()
	grant, err := backend.Login(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}
	return grant.Access
}

// refusal asks for something that there is not, and returns the reason why not.
func refusal(t *testing.T, api *client.Client) string {
	t.Helper()
	_, err := api.End(t.Context(), client.End{Session: "none"})
	if problem, ok := errors.AsType[*client.Problem](err); ok {
		return problem.Reason
	}
	t.Fatalf("the answer is no problem: %v", err)
	return ""
}
