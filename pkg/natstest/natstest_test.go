package natstest_test

import (
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/pkg/natstest"
)

func TestRestartKeepsPortAndStore(t *testing.T) {
	t.Parallel()
	node := natstest.Start(t, natstest.WithSyncAlways())
	url := node.URL()
	createStream(t, url, 1)

	node.Restart()

	if node.URL() != url {
		t.Fatalf("URL after restart is %s, want %s", node.URL(), url)
	}
	if _, err := connect(t, url).Stream(t.Context(), "S"); err != nil {
		t.Fatalf("stream after restart: %v", err)
	}
}

func TestClusterReplicates(t *testing.T) {
	t.Parallel()
	cluster := natstest.StartCluster(t, 3)
	createStream(t, cluster.URLs()[1], 3)

	leader := cluster.StreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, "S")
	leader.Restart()
	cluster.WaitLeader()

	if _, err := connect(t, leader.URL()).Stream(t.Context(), "S"); err != nil {
		t.Fatalf("stream after its leader's restart: %v", err)
	}
}

func createStream(t *testing.T, url string, replicas int) {
	t.Helper()
	config := jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}, Replicas: replicas}
	if _, err := connect(t, url).CreateStream(t.Context(), config); err != nil {
		t.Fatalf("create stream: %v", err)
	}
}

func connect(t *testing.T, url string) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatalf("connect to %s: %v", url, err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}
