package gateway_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/gateway"
)

// TestNATSMoreThanCanWait has more stored than waits in memory, while the gateway is
// busy with one revocation. It reads what was dropped from where it stands, and good
// sessions go on meanwhile.
func TestNATSMoreThanCanWait(t *testing.T) {
	t.Parallel()
	for _, tenant := range []string{"", "shop"} {
		t.Run("to a gateway of "+cmp.Or(tenant, "all"), func(t *testing.T) {
			t.Parallel()
			const dropped, many = "slow consumer", 20_000
			h := startHub(t)
			h.revoke("shop", "old")
			defer h.relay()()
			logged, hold := &lines{}, make(chan struct{})
			release := sync.OnceFunc(func() { close(hold) })
			r := h.gateway(func(cfg *gateway.Config) {
				cfg.Tenant, cfg.StaleAfter = tenant, time.Hour
				cfg.Logger = slog.New(slog.NewTextHandler(logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
				cfg.Hooks.Revoked = func(_, session string) {
					if session == "first" {
						<-hold
					}
				}
			}).ready(t)
			defer release()
			h.revoke("shop", "first")
			h.revokeAll("shop", many)
			eventually(t, "messages are dropped", func() bool { return logged.count(dropped) > 0 })
			release()
			eventually(t, "all are refused", func() bool {
				if err := r.Ready(); err != nil {
					t.Fatalf("the gateway is not ready while it catches up: %v", err)
				}
				return r.Stats().Entries == many+2 && r.Revoked("shop", fmt.Sprint("burst-", many-1))
			})
			if logged.count("revocations are interrupted") == 0 || logged.count("loaded anew") > 0 {
				t.Errorf("it did not go on from where it stood:\n%s", logged)
			}
		})
	}
}

// revokeAll stores many revocations without waiting for each.
func (h *hub) revokeAll(tenant string, n int) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range n {
		h.sequence++
		data, err := json.Marshal(events.Revocation{
			Tenant: tenant, Session: fmt.Sprint("burst-", i), Expires: events.TimestampOf(time.Now().Add(time.Hour)),
			Cause: events.CauseTerminate, Sequence: h.sequence, Previous: h.last[tenant],
		})
		if err == nil {
			_, err = h.js.PublishAsync(events.RevocationSubject(tenant), data, jetstream.WithStallWait(15*time.Second))
		}
		if err != nil {
			h.t.Fatal(err)
		}
		h.last[tenant] = h.sequence
	}
	select {
	case <-h.js.PublishAsyncComplete():
	case <-h.t.Context().Done():
	}
}
