package bus_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/goleak"

	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/natstest"
)

const patience = 10 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, natstest.Leaks()...) }

func TestConnectWaitsForTheServer(t *testing.T) {
	t.Parallel()
	down := natstest.Start(t)
	url := down.URL()
	down.Shutdown()

	connected := make(chan error, 1)
	go func() {
		conn, err := bus.Connect(t.Context(), bus.Config{URL: url, Logger: quiet()})
		if err == nil {
			conn.Close()
		}
		connected <- err
	}()
	down.Resume()

	if err := receive(t, connected); err != nil {
		t.Fatalf("Connect to a server that came late: %v", err)
	}
}

func TestConnectGivesUpWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()

	_, err := bus.Connect(ctx, bus.Config{URL: "nats://me:secret@" + unusedAddress(t), Logger: quiet()})

	if !errors.Is(err, bus.ErrUnreachable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Connect to nobody: %v, want ErrUnreachable and DeadlineExceeded", err)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Fatalf("error shows the password: %v", err)
	}
}

func TestConnectDoesNotRetryWrongCredentials(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithOptions(func(o *server.Options) { o.Username, o.Password = "u", "p" }))

	_, err := bus.Connect(t.Context(), bus.Config{URL: s.URL(), Logger: quiet()})

	if err == nil || errors.Is(err, bus.ErrUnreachable) {
		t.Fatalf("Connect without the password: %v, want the server's refusal", err)
	}
}

func TestConnectNamesTheFileItCannotRead(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]bus.Config{
		"creds": {CredsFile: "missing.creds"},
		"nkey":  {NKeyFile: "missing.nk"},
		"ca":    {CAFile: "missing.pem"},
		"cert":  {CertFile: "missing.pem", KeyFile: "missing.key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config.URL, config.Logger = natstest.Start(t).URL(), quiet()
			_, err := bus.Connect(t.Context(), config)
			if err == nil || !strings.Contains(err.Error(), "missing.") {
				t.Fatalf("Connect: %v, want an error that names the file", err)
			}
		})
	}
}

func TestConnectWantsBothHalvesOfACertificate(t *testing.T) {
	t.Parallel()
	_, err := bus.Connect(t.Context(), bus.Config{CertFile: os.Args[0]})
	if err == nil || !strings.Contains(err.Error(), "both or neither") {
		t.Fatalf("Connect with half a certificate: %v", err)
	}
}

func TestConnectInProcess(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithOptions(func(o *server.Options) { o.DontListen = true }))
	conn := connect(t, bus.Config{InProcess: s.Server()})
	if !conn.Healthy() {
		t.Fatal("connection within the process is not healthy")
	}
}

func TestConnectionHeals(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	conn := connect(t, bus.Config{URL: s.URL()})
	got := make(chan string, 1)
	stop, err := conn.Subscribe("a.*", func(subject string, data []byte) { got <- subject + " " + string(data) })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()

	s.Shutdown()
	waitUntil(t, func() bool { return !conn.Healthy() })
	if err := conn.Publish("a.b", []byte("kept in the buffer")); err != nil {
		t.Fatal(err)
	}
	s.Resume()

	if message := receive(t, got); message != "a.b kept in the buffer" {
		t.Fatalf("got %q", message)
	}
	if !conn.Healthy() {
		t.Fatal("connection is not healthy after the server's return")
	}
}

func TestSubscribeStops(t *testing.T) {
	t.Parallel()
	conn := connect(t, bus.Config{URL: natstest.Start(t).URL()})
	got := make(chan string, 2)
	stop, err := conn.Subscribe("a", func(_ string, data []byte) { got <- string(data) })
	if err != nil {
		t.Fatal(err)
	}
	other, err := conn.Subscribe("b", func(_ string, data []byte) { got <- string(data) })
	if err != nil {
		t.Fatal(err)
	}
	defer other()

	stop()
	if err := errors.Join(conn.Publish("a", []byte("unheard")), conn.Publish("b", []byte("heard"))); err != nil {
		t.Fatal(err)
	}

	if message := receive(t, got); message != "heard" {
		t.Fatalf("got %q after stop", message)
	}
}

func TestBucket(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	conn := connect(t, bus.Config{URL: natstest.Start(t).URL()})
	bucket, err := conn.KeyValue(ctx, "ANSWERS", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bucket.Get(ctx, "k"); !errors.Is(err, bus.ErrKeyNotFound) {
		t.Fatalf("Get of nothing: %v, want ErrKeyNotFound", err)
	}
	if err := bucket.Create(ctx, "k", []byte("1")); err != nil {
		t.Fatal(err)
	}
	if err := bucket.Create(ctx, "k", []byte("2")); !errors.Is(err, bus.ErrExists) {
		t.Fatalf("Create of what exists: %v, want ErrExists", err)
	}
	if err := bucket.Put(ctx, "k", []byte("3")); err != nil {
		t.Fatal(err)
	}

	again, err := conn.KeyValue(ctx, "ANSWERS", time.Minute)
	if err != nil {
		t.Fatalf("open a bucket that exists: %v", err)
	}
	if value, err := again.Get(ctx, "k"); err != nil || string(value) != "3" {
		t.Fatalf("Get: %q, %v", value, err)
	}
}

func connect(t *testing.T, config bus.Config) *bus.Conn {
	t.Helper()
	config.Logger = quiet()
	conn, err := bus.Connect(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(patience):
		t.Fatalf("nothing within %v", patience)
		panic("unreachable")
	}
}

func waitUntil(t *testing.T, done func() bool) {
	t.Helper()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for deadline := time.After(patience); !done(); {
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatalf("condition not met within %v", patience)
		}
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func unusedAddress(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
