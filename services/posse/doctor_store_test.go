package main

import (
	"bytes"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/natstest"
)

// TestDoctorSetsUpAStore runs the commands of the set-up of a store that is in
// docs/operations.md, at the servers' shipped configurations.
func TestDoctorSetsUpAStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	hubConfig, err := shippedNATS(dir, "hub.conf", "leaf.conf", "accounts.conf")
	if err != nil {
		t.Fatal(err)
	}
	leafConfig := filepath.Join(filepath.Dir(hubConfig), "leaf.conf")
	port := natstest.FreePort(t)
	hub := natstest.Start(t, natstest.WithConfigFile(hubConfig), natstest.WithLeafListener(port))
	doctorStreams(t, hub, dir, "operator")
	leaf := natstest.Start(t, natstest.WithConfigFile(leafConfig),
		natstest.WithLeafRemote(net.JoinHostPort("127.0.0.1", strconv.Itoa(port))))
	natstest.Eventually(t, patience, "the store's server is a leaf of the hub", func() bool { return leaf.Server().NumLeafNodes() > 0 && hub.Server().NumLeafNodes() > 0 })

	shown := doctorStreams(t, leaf, dir, "store_operator", "--mirror-of", "hub")
	if !strings.Contains(shown, `"name":"POS_REVOCATIONS"`) || strings.Count(shown, "\n") != 1 {
		t.Errorf("posse doctor --streams --mirror-of hub --apply prints\n%s", shown)
	}
	if again := doctorStreams(t, leaf, dir, "store_operator", "--mirror-of", "hub"); again != shown {
		t.Errorf("and again\n%s", again)
	}

	revokeAs(t, hub, dir)
	natstest.Eventually(t, patience, "the store has what the hub has", func() bool {
		streams, err := leaf.Server().Jsz(&server.JSzOptions{Accounts: true, Streams: true, Config: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, account := range streams.AccountDetails {
			for _, stream := range account.Streams {
				if stream.Name == events.StreamRevocations && stream.Config.Mirror != nil && stream.State.Msgs == 1 {
					return true
				}
			}
		}
		return false
	})
}

// doctorStreams makes the streams of a server, as one of its users.
func doctorStreams(t *testing.T, nats *natstest.Server, dir, user string, more ...string) (shown string) {
	t.Helper()
	var out, errOut bytes.Buffer
	args := append([]string{
		"posse", "doctor", "--streams", "--apply", "--nats", nats.URL(), "--nats-nkey", seedFile(dir, user),
	}, more...)
	if err := newApp(&out, &errOut).Run(t.Context(), args); err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(args, " "), err, &out, &errOut)
	}
	return out.String()
}

// revokeAs has the stream of a server hold a revocation, as a relay does.
func revokeAs(t *testing.T, nats *natstest.Server, dir string) {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	conn, err := bus.Connect(t.Context(), bus.Config{URL: nats.URL(), NKeyFile: seedFile(dir, "projector"), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	log, err := natslog.Open(t.Context(), conn, natslog.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if err := log.PublishRevocations(t.Context(), "", []events.Revocation{{
		Tenant: "shop", Session: "till-1", Expires: events.TimestampOf(time.Now().Add(time.Hour)), Cause: events.CauseTerminate, Sequence: 1,
	}}); err != nil {
		t.Fatal(err)
	}
}
