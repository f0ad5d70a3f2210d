// Package embedded runs a nats-server inside the process, for `posse serve`:
// JetStream on files with an fsync behind every write, on a loopback port that
// only this process has the password of.
//
// One process at a time may use a data directory; a lock on it says so.
package embedded

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats-server/v2/server"
)

// startTime is how long the server may take to recover its streams.
const startTime = time.Minute

// ErrInUse says that another process uses the data directory.
var ErrInUse = errors.New("embedded: data directory is in use by another posse")

// Config says where the server keeps its data and who may reach it.
type Config struct {
	// Dir is the data directory; it is made with mode 0700. Required.
	Dir string
	// Listen is host:port for gateways outside of this process; "" means a free
	// loopback port.
	Listen string
	// GatewayPassword lets the user "gateway" read revocations and publish
	// touches and its own status; "" admits nobody but this process.
	GatewayPassword string
	// Volatile does without the fsync behind every write, for data that nobody keeps.
	Volatile bool
	// MaxStorage is how many bytes its streams may take; 0 means three quarters of what
	// is free on the file system when it starts, and of what they take already.
	MaxStorage int64
	// Logger hears what the server has to say; nil means slog.Default().
	Logger *slog.Logger
}

// Server is a running nats-server.
type Server struct {
	nats     *server.Server
	dir      string
	lock     *flock.Flock
	password string
}

// Start starts the server and returns when it takes connections.
func Start(ctx context.Context, config Config) (*Server, error) {
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	lock, err := claim(config.Dir)
	if err != nil {
		return nil, err
	}
	s := &Server{dir: config.Dir, lock: lock, password: rand.Text()}
	if err := s.start(ctx, config); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// claim locks the directory. The lock ends with the process, however it ends.
func claim(dir string) (*flock.Flock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("embedded: cannot make the data directory: %w", err)
	}
	lock := flock.New(filepath.Join(dir, "lock"))
	locked, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("embedded: cannot lock the data directory %q: %w", dir, err)
	}
	if !locked {
		return nil, fmt.Errorf("%w: %q; stop it or name another directory", ErrInUse, dir)
	}
	return lock, nil
}

func (s *Server) start(ctx context.Context, config Config) error {
	options, err := s.options(config)
	if err != nil {
		return err
	}
	s.nats, err = server.NewServer(options)
	if err != nil {
		return fmt.Errorf("embedded: nats-server refuses its settings: %w", err)
	}
	s.nats.SetLoggerV2(natsLogger{ctx, config.Logger}, false, false, false)
	s.nats.Start()
	if !s.nats.ReadyForConnections(startTime) {
		return fmt.Errorf("embedded: nats-server did not start within %v; is %q damaged or %q taken?", startTime, config.Dir, config.Listen)
	}
	return nil
}

func (s *Server) options(config Config) (*server.Options, error) {
	options := &server.Options{
		ServerName: "posse",
		Host:       "127.0.0.1",
		Port:       server.RANDOM_PORT,
		JetStream:  true,
		StoreDir:   filepath.Join(config.Dir, "nats"),
		SyncAlways: !config.Volatile,
		NoSigs:     true,

		JetStreamMaxStore: config.MaxStorage,
	}
	if err := addUsers(options, s.password, config.GatewayPassword); err != nil {
		return nil, err
	}
	if config.Listen == "" {
		return options, nil
	}
	host, port, err := net.SplitHostPort(config.Listen)
	if err != nil {
		return nil, fmt.Errorf("embedded: %q is not host:port: %w", config.Listen, err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("embedded: %q has no port number: %w", config.Listen, err)
	}
	options.Host, options.Port = host, int(number)
	if number == 0 {
		options.Port = server.RANDOM_PORT
	}
	return options, nil
}

// URL is where this process reaches the server. It holds a password.
func (s *Server) URL() string {
	address := *s.address()
	if address.IP.IsUnspecified() {
		address.IP = net.IPv4(127, 0, 0, 1)
	}
	return (&url.URL{Scheme: "nats", User: url.UserPassword("posse", s.password), Host: address.String()}).String()
}

// Address is where the server listens.
func (s *Server) Address() string { return s.address().String() }

func (s *Server) address() *net.TCPAddr {
	if address, ok := s.nats.Addr().(*net.TCPAddr); ok {
		return address
	}
	return &net.TCPAddr{}
}

// Run ends the server when ctx ends.
func (s *Server) Run(ctx context.Context) error {
	<-ctx.Done()
	return s.Close()
}

// Close ends the server and frees the directory.
func (s *Server) Close() error {
	if s.nats != nil {
		s.nats.Shutdown()
		s.nats.WaitForShutdown()
	}
	return s.lock.Unlock()
}
