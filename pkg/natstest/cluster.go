package natstest

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Cluster is a JetStream cluster of servers in this process.
type Cluster struct {
	// Servers are its nodes, in the order of URLs.
	Servers []*Server

	t testing.TB
}

// StartCluster starts a cluster of size nodes and returns when it has elected a
// JetStream meta leader that knows them all.
func StartCluster(t testing.TB, size int, opts ...Option) *Cluster {
	t.Helper()
	c := &Cluster{t: t}
	routes := freeRoutes(t, size)
	for i := range size {
		node := create(t, append([]Option{clustered(i, routes)}, opts...)...)
		node.run()
		t.Cleanup(node.Shutdown)
		c.Servers = append(c.Servers, node)
	}
	for _, node := range c.Servers {
		node.waitReady()
	}
	c.WaitLeader()
	return c
}

// freeRoutes picks the nodes' cluster ports beforehand: a JetStream server
// refuses to start in a cluster whose routes it does not know.
func freeRoutes(t testing.TB, size int) []*url.URL {
	t.Helper()
	routes := make([]*url.URL, size)
	listeners := make([]net.Listener, size)
	for i := range routes {
		listener, err := listen(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		listeners[i] = listener
		routes[i] = &url.URL{Scheme: "nats-route", Host: listeners[i].Addr().String()}
	}
	// All at once, so that no port is found twice.
	for _, listener := range listeners {
		if err := listener.Close(); err != nil {
			t.Fatalf("natstest: free a port: %v", err)
		}
	}
	return routes
}

// clustered makes a server the node of that index.
func clustered(index int, routes []*url.URL) Option {
	return func(o *server.Options) {
		o.ServerName = fmt.Sprintf("node-%d", index+1)
		o.Cluster = server.ClusterOpts{Name: "natstest", Host: "127.0.0.1", Port: portOf(routes[index])}
		o.Routes = routes
	}
}

// URLs are where clients connect, one address per node.
func (c *Cluster) URLs() []string {
	urls := make([]string, len(c.Servers))
	for i, node := range c.Servers {
		urls[i] = node.URL()
	}
	return urls
}

// WaitLeader returns when the running nodes have a meta leader and every node
// is up to date with it.
func (c *Cluster) WaitLeader() {
	c.t.Helper()
	Eventually(c.t, startTimeout, "a JetStream meta leader that every node follows", c.settled)
}

func (c *Cluster) settled() bool {
	leaders := 0
	for _, node := range c.Servers {
		if !node.server.Running() {
			continue
		}
		if node.server.JetStreamIsLeader() {
			leaders++
			if len(node.server.JetStreamClusterPeers()) != len(c.Servers) {
				return false
			}
		}
		if !node.server.JetStreamIsCurrent() {
			return false
		}
	}
	return leaders == 1
}

// StreamLeader returns the node that leads a stream of an account, and waits
// until there is one. Without accounts, the account is server.DEFAULT_GLOBAL_ACCOUNT.
func (c *Cluster) StreamLeader(account, stream string) *Server {
	c.t.Helper()
	var leader *Server
	Eventually(c.t, startTimeout, "a leader of stream "+stream, func() bool {
		for _, node := range c.Servers {
			if node.server.Running() && node.server.JetStreamIsStreamLeader(account, stream) {
				leader = node
			}
		}
		return leader != nil
	})
	return leader
}

func portOf(route *url.URL) int {
	port, err := strconv.Atoi(route.Port())
	if err != nil {
		panic("natstest: " + err.Error())
	}
	return port
}

// Eventually waits until something is so, and fails the test if it is not within a time.
func Eventually(t testing.TB, within time.Duration, what string, so func() bool) {
	t.Helper()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	deadline := time.After(within)
	for !so() {
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}
