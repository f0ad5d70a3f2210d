package natslog_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/posse-pos/posse/pkg/eventlog/eventlogtest"
	"github.com/posse-pos/posse/pkg/natstest"
)

func TestConformanceOnOneServer(t *testing.T) {
	t.Parallel()
	eventlogtest.Run(t, func(t *testing.T) eventlogtest.Backend {
		t.Helper()
		server := natstest.Start(t)
		return newRig(t, server.URL(), 1, server.Restart).backend()
	})
}

// TestConformanceOnACluster gives each test an account of its own on one
// three-node cluster: streams of different accounts do not meet.
func TestConformanceOnACluster(t *testing.T) {
	t.Parallel()
	const accounts = 64
	cluster := natstest.StartCluster(t, 3, natstest.WithConfig(accountsConfig(accounts)))
	var next atomic.Int64
	eventlogtest.Run(t, func(t *testing.T) eventlogtest.Backend {
		t.Helper()
		account := next.Add(1) - 1
		if account >= accounts {
			t.Fatalf("the cluster has %d accounts, the suite needs more", accounts)
		}
		var urls []string
		for _, node := range cluster.Servers {
			urls = append(urls, fmt.Sprintf("nats://u%d:p@%s", account, node.Server().Addr()))
		}
		r := newRig(t, strings.Join(urls, ","), 3, func() {
			cluster.StreamLeader(fmt.Sprintf("A%d", account), "POS_SESSIONS").Restart()
		})
		t.Cleanup(r.deleteStreams) // every stream keeps three servers busy
		return r.backend()
	})
}

func accountsConfig(n int) string {
	var text strings.Builder
	text.WriteString("accounts {\n")
	for i := range n {
		fmt.Fprintf(&text, "  A%d { jetstream: enabled, users: [ { user: u%d, password: p } ] }\n", i, i)
	}
	text.WriteString("}\n")
	return text.String()
}
