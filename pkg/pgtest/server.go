package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// maxSocketDir is the longest directory in which a socket's address still fits
// (sockaddr_un has 108 bytes on Linux, 104 elsewhere).
const maxSocketDir = 80

// stopTimeout is how long a server may take to shut down before it is killed.
const stopTimeout = 20 * time.Second

// Server is a PostgreSQL of our own. It accepts connections on a Unix socket only,
// unless it was started WithAddress, without a password.
type Server struct {
	dir     string // with data, log and, if short enough, socket
	owned   bool   // dir is removed with the server
	sockets string
	port    string // "" means PostgreSQL's own
	command *exec.Cmd
	exited  chan struct{} // closed when the process is gone
	exit    error         // of the process, when exited is closed
}

type settings struct {
	fsync bool
	port  string
	extra []string
}

// Option changes how a server runs.
type Option func(*settings)

// WithFsync makes the server as durable as PostgreSQL is by itself. Without it a
// server is fast and forgets in a power cut.
func WithFsync() Option { return func(s *settings) { s.fsync = true } }

// WithSetting sets a parameter of postgresql.conf.
func WithSetting(name, value string) Option {
	return func(s *settings) { s.extra = append(s.extra, "-c", name+"="+value) }
}

// WithAddress has the server accept connections on a host and a port too, for what
// lies between it and its clients.
func WithAddress(host, port string) Option {
	return func(s *settings) {
		s.port = port
		s.extra = append(s.extra, "-c", "listen_addresses="+host, "-c", "port="+port)
	}
}

// Start makes a database cluster in dir, or starts the one that is there, and
// returns when it accepts connections. With dir "" it lives in a new temporary
// directory and goes with the server. Started by root, the server runs as the
// user postgres or nobody, who must be able to reach dir.
//
// The server ends with Stop, or with this process.
func Start(ctx context.Context, dir string, options ...Option) (*Server, error) {
	bin, err := findBinaries()
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, exited: make(chan struct{})}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(err, s.remove())
	}
	set := settings{}
	for _, option := range options {
		option(&set)
	}
	s.port = set.port
	if err := s.run(ctx, bin, set); err != nil {
		return nil, errors.Join(err, s.remove())
	}
	return s, nil
}

// prepare makes the directories and gives them to whom the server runs as.
func (s *Server) prepare() error {
	var err error
	if s.dir == "" {
		s.owned = true
		if s.dir, err = os.MkdirTemp("", "posse-pg-"); err != nil {
			return err
		}
	}
	if s.dir, err = filepath.Abs(s.dir); err != nil {
		return err
	}
	if s.sockets = s.dir; len(s.dir) > maxSocketDir {
		if s.sockets, err = os.MkdirTemp("", "posse-pg-"); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	return errors.Join(giveAway(s.dir), giveAway(s.sockets))
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }
func (s *Server) log() string  { return filepath.Join(s.dir, "log") }

func (s *Server) run(ctx context.Context, bin string, set settings) error {
	if _, err := os.Stat(filepath.Join(s.data(), "PG_VERSION")); err != nil {
		if err := s.initialise(ctx, bin); err != nil {
			return err
		}
	}
	log, err := os.Create(s.log())
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the server has its own handle
	//nolint:noctx // the server outlives the context of its start; Stop ends it
	s.command = exec.Command(filepath.Join(bin, "postgres"), s.arguments(set)...)
	s.command.Stdout, s.command.Stderr = log, log
	s.command.Dir = s.dir
	bindToUs(s.command)
	if err := s.spawn(); err != nil {
		return fmt.Errorf("start %s: %w", s.command.Path, err)
	}
	if err := s.ready(ctx); err != nil {
		return errors.Join(err, s.end())
	}
	return nil
}

func (s *Server) initialise(ctx context.Context, bin string) error {
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"),
		"--pgdata="+s.data(), "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync")
	initdb.Dir = s.dir
	dropPrivileges(initdb)
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb in %s: %w\n%s", s.data(), err, out)
	}
	return nil
}

func (s *Server) arguments(set settings) []string {
	args := []string{
		"-D", s.data(), "-k", s.sockets, "-c", "listen_addresses=", "-c", "max_connections=300",
	}
	if !set.fsync {
		args = append(args, "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
	}
	return append(args, set.extra...)
}

// spawn starts the server from a thread that lives until the server ended: the
// kernel tells a child that its parent died when the thread that made it ends.
func (s *Server) spawn() error {
	started := make(chan error)
	go func() {
		defer close(s.exited)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := s.command.Start()
		started <- err
		if err == nil {
			s.exit = s.command.Wait()
		}
	}()
	return <-started
}

func (s *Server) ready(ctx context.Context) error {
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		conn, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.exited:
			return fmt.Errorf("postgres ended at once: %w\n%s", s.exit, s.tail())
		case <-ctx.Done():
			return fmt.Errorf("postgres does not accept connections: %w: %w\n%s", ctx.Err(), err, s.tail())
		case <-retry.C:
		}
	}
}

// tail is the end of the server's log.
func (s *Server) tail() string {
	const enough = 2000
	text, err := os.ReadFile(s.log())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-enough):])
}

// URL is the address of a database of the server.
func (s *Server) URL(database string) string {
	query := url.Values{"host": {s.sockets}, "sslmode": {"disable"}}
	if s.port != "" {
		query.Set("port", s.port)
	}
	return "postgres://postgres@/" + database + "?" + query.Encode()
}

// CreateDatabase makes an empty database and returns its URL.
func (s *Server) CreateDatabase(ctx context.Context, name string) (string, error) {
	statement := "CREATE DATABASE " + pgx.Identifier{name}.Sanitize()
	if err := Execute(ctx, s.URL("postgres"), statement); err != nil {
		return "", fmt.Errorf("create database %q: %w", name, err)
	}
	return s.URL(name), nil
}

// Pid is the process id of the server.
func (s *Server) Pid() int { return s.command.Process.Pid }

// Kill ends the server as a power cut would, and leaves its files.
func (s *Server) Kill() error {
	err := s.command.Process.Signal(syscall.SIGQUIT) // immediate shutdown: crash recovery on the next start
	<-s.exited
	return err
}

// Stop disconnects everybody, ends the server and removes what Start made
// without being told where.
func (s *Server) Stop() error { return errors.Join(s.end(), s.remove()) }

func (s *Server) end() error {
	_ = s.command.Process.Signal(syscall.SIGINT) // fast shutdown; it may be gone already
	select {
	case <-s.exited:
		return nil
	case <-time.After(stopTimeout):
	}
	_ = s.command.Process.Kill()
	<-s.exited
	return fmt.Errorf("postgres did not end within %v and was killed", stopTimeout)
}

func (s *Server) remove() error {
	var err error
	if s.sockets != s.dir && strings.Contains(s.sockets, "posse-pg-") {
		err = os.RemoveAll(s.sockets)
	}
	if s.owned {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	return err
}
