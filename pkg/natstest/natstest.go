// Package natstest starts real nats-servers with JetStream inside a test: one
// server or a cluster, on random ports, each with its own storage, gone when
// the test is. It is for tests and benchmarks only.
package natstest

import (
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/goleak"
)

// startTimeout is generous: machines that build and test at once are slow.
const startTimeout = 30 * time.Second

// Leaks names the goroutines that a nats-server, or its client, may leave behind
// when it ends, for goleak.VerifyTestMain.
func Leaks() []goleak.Option {
	const source = "github.com/nats-io/nats-server/v2/server"
	return []goleak.Option{
		goleak.IgnoreAnyFunction(source + ".(*msgBlock).flushLoop"),
		goleak.IgnoreAnyFunction(source + ".(*fileStore).flushStreamStateLoop"),
		// They wait for a hub that is gone.
		goleak.IgnoreAnyFunction(source + ".(*stream).setupMirrorConsumer.func3"),
		goleak.IgnoreAnyFunction(source + ".(*stream).tryDeleteSourcingConsumer.func1"),
		goleak.IgnoreAnyFunction(source + "/ats.Register.func1"),
		// A publisher that is cleaned up before this one has read its channel leaves it
		// with none: so may each write to an object store.
		goleak.IgnoreAnyFunction("github.com/nats-io/nats.go/jetstream.(*jetStream).resetPendingAcksOnReconnect"),
	}
}

// Option changes how a server is started.
type Option func(*server.Options)

// WithSyncAlways makes every write wait for the disk, as posse runs in
// production. Tests are several times faster without it.
func WithSyncAlways() Option {
	return func(o *server.Options) { o.SyncAlways = true }
}

// WithOptions changes any option of the server, for example its accounts.
func WithOptions(change func(*server.Options)) Option { return change }

// WithLeafListener has a hub listen for leaf nodes, on a port of 127.0.0.1.
func WithLeafListener(port int) Option {
	return func(o *server.Options) { o.LeafNode.Host, o.LeafNode.Port = "127.0.0.1", port }
}

// WithLeafRemote has a leaf node whose configuration names a hub connect to one at an
// address instead.
func WithLeafRemote(address string) Option {
	return func(o *server.Options) { o.LeafNode.Remotes[0].URLs = []*url.URL{{Scheme: "nats-leaf", Host: address}} }
}

// WithConfig applies the text of a nats-server configuration file, for example
// accounts with their permissions. Listening, storage and clustering stay this
// package's.
func WithConfig(text string) Option {
	return configured(func(o *server.Options) error { return o.ProcessConfigString(text) })
}

// WithConfigFile applies a configuration file, and what it includes. Listening, for
// monitoring too, storage and clustering stay this package's.
func WithConfigFile(name string) Option {
	return configured(func(o *server.Options) error { return o.ProcessConfigFile(name) })
}

func configured(process func(*server.Options) error) Option {
	return func(o *server.Options) {
		host, port, store, cluster, routes := o.Host, o.Port, o.StoreDir, o.Cluster, o.Routes
		o.StoreDir = "" // which a file may not set a second time
		if err := process(o); err != nil {
			panic("natstest: configuration: " + err.Error())
		}
		o.Host, o.Port, o.StoreDir, o.Cluster, o.Routes = host, port, store, cluster, routes
		o.HTTPPort, o.JetStream = 0, true
	}
}

// Server is one nats-server with JetStream.
type Server struct {
	t      testing.TB
	opts   []Option
	store  string
	port   int
	server *server.Server
}

// Start starts a server that ends with the test.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	s := create(t, opts...)
	s.run()
	t.Cleanup(s.Shutdown)
	s.waitReady()
	return s
}

func create(t testing.TB, opts ...Option) *Server {
	t.Helper()
	return &Server{t: t, opts: opts, store: t.TempDir(), port: FreePort(t)}
}

// options are made anew for each start: a server keeps and changes what it got.
func (s *Server) options() *server.Options {
	o := &server.Options{
		Host:      "127.0.0.1",
		Port:      s.port,
		JetStream: true,
		StoreDir:  s.store,
		NoLog:     true,
		NoSigs:    true,
	}
	for _, opt := range s.opts {
		opt(o)
	}
	return o
}

// URL is where clients connect.
func (s *Server) URL() string { return s.server.ClientURL() }

// Server gives the server itself, for what this package has no name for.
func (s *Server) Server() *server.Server { return s.server }

// Restart shuts the server down and starts it on the same port and storage.
func (s *Server) Restart() {
	s.t.Helper()
	s.Shutdown()
	s.Resume()
}

// Resume starts a server that was shut down, on the same port and storage.
func (s *Server) Resume() {
	s.t.Helper()
	s.run()
	s.waitReady()
}

// Shutdown ends the server and waits for it. It may be called again.
func (s *Server) Shutdown() {
	s.server.Shutdown()
	s.server.WaitForShutdown()
}

func (s *Server) run() {
	s.t.Helper()
	created, err := server.NewServer(s.options())
	if err != nil {
		s.t.Fatalf("natstest: create nats-server: %v", err)
	}
	s.server = created
	created.Start()
}

// waitReady also pins the random port, so that Resume takes it again.
func (s *Server) waitReady() {
	s.t.Helper()
	if !s.server.ReadyForConnections(startTimeout) {
		s.t.Fatalf("natstest: nats-server did not start within %v", startTimeout)
	}
	if address, ok := s.server.Addr().(*net.TCPAddr); ok {
		s.port = address.Port
	}
}
