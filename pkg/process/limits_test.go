package process_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/posse-pos/posse/pkg/process"
)

const brief = 50 * time.Millisecond

// site is a server with limits of a test's.
type site struct {
	t       *testing.T
	address string
	metrics *prometheus.Registry
}

func limited(t *testing.T, limits process.Limits, handler http.HandlerFunc) *site {
	t.Helper()
	listener, err := process.Listen(t.Context(), "api", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, address: listener.Addr().String(), metrics: prometheus.NewRegistry()}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() {
		ended <- process.HTTPServer{
			Name: "api", Listener: listener, Handler: handler, Limits: limits, Metrics: s.metrics, Logger: slog.New(slog.DiscardHandler),
		}.Serve(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

// dial connects and says something.
func (s *site) dial(said string) net.Conn {
	s.t.Helper()
	conn, err := (&net.Dialer{}).DialContext(s.t.Context(), "tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, said); err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// ends waits until the server has closed a connection, and returns what it said.
func ends(t *testing.T, conn net.Conn) string {
	t.Helper()
	said, err := io.ReadAll(conn)
	if err != nil && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset") {
		t.Fatalf("connection was not closed: %v", err)
	}
	return string(said)
}

// status reads the status of the next answer, whose body is empty.
func status(conn net.Conn) (int, error) {
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

func fine(http.ResponseWriter, *http.Request) {}

const post = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"

func TestHeadersThatComeByteByByteAreCutOff(t *testing.T) {
	t.Parallel()
	s := limited(t, process.Limits{HeaderTime: brief}, fine)
	conn := s.dial("GET / HTTP/1.1\r\nHost: x\r\nX: ")
	go func() {
		for {
			if _, err := io.WriteString(conn, "x"); err != nil {
				return
			}
			<-time.After(brief / 10)
		}
	}()
	ends(t, conn)
}

func TestHeadersThatAreTooLongAreRefused(t *testing.T) {
	t.Parallel()
	s := limited(t, process.Limits{}, fine)
	conn := s.dial("GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 100<<10) + "\r\n\r\n")
	if got, err := status(conn); err != nil || got != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("answer is %d, %v", got, err)
	}
}

func TestABodyThatIsReadAndDoesNotComeIsGivenUp(t *testing.T) {
	t.Parallel()
	failed := make(chan error, 1)
	s := limited(t, process.Limits{BodyTime: brief}, func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		failed <- err
	})
	conn := s.dial(post + "some of it")
	if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the handler reads %v", err)
	}
	ends(t, conn)
}

// net/http reads what a handler left of a body before it answers.
func TestABodyThatNobodyReadsIsGivenUp(t *testing.T) {
	t.Parallel()
	s := limited(t, process.Limits{BodyTime: brief}, fine)
	ends(t, s.dial(post+"some of it"))
}

func TestAHandlerMayGiveABodyMoreTime(t *testing.T) {
	t.Parallel()
	read := make(chan error, 1)
	s := limited(t, process.Limits{BodyTime: brief}, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Hour))
		_, err := io.Copy(io.Discard, r.Body)
		read <- err
	})
	conn := s.dial(post)
	<-time.After(2 * brief)
	if _, err := conn.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if err := <-read; err != nil {
		t.Error(err)
	}
}

func TestABodysTimeDoesNotEndTheRequest(t *testing.T) {
	t.Parallel()
	over := make(chan error, 1)
	s := limited(t, process.Limits{BodyTime: brief}, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-time.After(2 * brief)
		over <- r.Context().Err()
	})
	s.dial(post + strings.Repeat("x", 1000))
	if err := <-over; err != nil {
		t.Errorf("once its body was there, a request ended with %v", err)
	}
}

func TestWhoDoesNotReadIsCutOff(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]int{"small writes": 1 << 10, "large writes": 8 << 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failed := make(chan error, 1)
			s := limited(t, process.Limits{WriteTime: brief}, func(w http.ResponseWriter, _ *http.Request) {
				for {
					if _, err := w.Write(make([]byte, step)); err != nil {
						failed <- err
						return
					}
				}
			})
			s.dial("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("writing fails with %v", err)
			}
		})
	}
}

func TestAnIdleConnectionMakesRoom(t *testing.T) {
	t.Parallel()
	s := limited(t, process.Limits{MaxConnections: 8}, fine)
	silent := s.dial("")
	const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	kept := s.dial(get)
	if got, err := status(kept); err != nil || got != http.StatusOK {
		t.Fatal(got, err)
	}
	for n := range 20 {
		conn := s.dial(get)
		if got, err := status(conn); err != nil || got != http.StatusOK {
			t.Fatalf("number %d is answered %d, %v", n, got, err)
		}
	}
	ends(t, silent)
	ends(t, kept)
	s.counts(`
		# HELP posse_http_connections Open connections.
		# TYPE posse_http_connections gauge
		posse_http_connections{server="api"} 8
		# HELP posse_http_connections_evicted_total Idle connections that were closed because there were too many.
		# TYPE posse_http_connections_evicted_total counter
		posse_http_connections_evicted_total{server="api"} 14
		# HELP posse_http_connections_refused_total Connections that were closed at once because there were too many.
		# TYPE posse_http_connections_refused_total counter
		posse_http_connections_refused_total{server="api"} 0
	`)
}

func TestABusyConnectionMakesNone(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	s := limited(t, process.Limits{MaxConnections: 2}, func(http.ResponseWriter, *http.Request) {
		entered <- struct{}{}
		<-release
	})
	var busy []net.Conn
	for range 2 {
		busy = append(busy, s.dial("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
		<-entered
	}
	if said := ends(t, s.dial("")); said != "" {
		t.Errorf("one too many is told %q", said)
	}
	close(release)
	for _, conn := range busy {
		if got, err := status(conn); err != nil || got != http.StatusOK {
			t.Errorf("one that was there is answered %d, %v", got, err)
		}
	}
}

// TestABoundListenerClosesNobodysConnection is for servers that do not say which of
// their connections are idle.
func TestABoundListenerClosesNobodysConnection(t *testing.T) {
	t.Parallel()
	inner, err := process.Listen(t.Context(), "grpc", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener := process.Bound(inner, process.Limits{MaxConnections: 1, WriteTime: brief})
	t.Cleanup(func() { _ = listener.Close() })
	s := &site{t: t, address: listener.Addr().String()}
	first := s.dial("")
	served, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	next := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			err = conn.Close()
		}
		next <- err
	}()
	ends(t, s.dial(""))
	for err == nil {
		_, err = served.Write(make([]byte, 1<<20))
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("writing to one who does not read fails with %v", err)
	}
	_ = first.Close()
	_ = served.Close()
	ends(t, s.dial(""))
	if err := <-next; err != nil {
		t.Error(err)
	}
}

func TestDefaultMaxConnections(t *testing.T) {
	t.Parallel()
	if n := process.DefaultMaxConnections(); n < 256 || n > 10_000 {
		t.Errorf("it is %d", n)
	}
}

func (s *site) counts(want string) {
	s.t.Helper()
	if err := testutil.GatherAndCompare(s.metrics, strings.NewReader(want)); err != nil {
		s.t.Error(fmt.Errorf("metrics: %w", err))
	}
}
