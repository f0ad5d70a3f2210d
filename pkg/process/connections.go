package process

import (
	"container/list"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// writeStep is how much of an answer a client has to read within Limits.WriteTime.
const writeStep = 64 << 10

// Bound has a listener keep to the limits of connections and of writing, for servers
// that are not an HTTPServer, which does so by itself. Since nobody says which of
// the connections are idle, none is closed for a new one.
func Bound(listener net.Listener, limits Limits) net.Listener {
	return newConnections(listener, limits.withDefaults())
}

// connections is a listener that bounds its connections. While it is full, whoever
// holds one without using it makes room for others: a thousand clients that connect
// and say nothing keep nobody out.
type connections struct {
	net.Listener

	limits        Limits
	idle, refused atomic.Uint64 // closed for a new one; the new one itself

	mu    sync.Mutex
	open  int
	quiet list.List // of *connection: those without a request, the longest first
}

func newConnections(listener net.Listener, limits Limits) *connections {
	return &connections{Listener: listener, limits: limits}
}

// Accept returns the next connection that there is room for.
func (c *connections) Accept() (net.Conn, error) {
	for {
		accepted, err := c.Listener.Accept()
		switch {
		case err == nil && c.makeRoom():
			return &connection{Conn: accepted, all: c}, nil
		case err == nil:
			_ = accepted.Close()
		case !isExhausted(err) || !c.closeIdle():
			return nil, err
		}
	}
}

// isExhausted reports that there are no files left for one more connection.
func isExhausted(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// makeRoom counts one connection more, or reports that there is no room for it.
func (c *connections) makeRoom() bool {
	for !c.enter() {
		if !c.closeIdle() {
			c.refused.Add(1)
			return false
		}
	}
	return true
}

func (c *connections) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open >= c.limits.MaxConnections {
		return false
	}
	c.open++
	return true
}

// closeIdle closes the connection that has waited longest for a request, and reports
// whether there was one.
func (c *connections) closeIdle() bool {
	c.mu.Lock()
	first := c.quiet.Front()
	c.mu.Unlock()
	if first == nil {
		return false
	}
	if longest, ok := first.Value.(*connection); ok {
		_ = longest.Close()
		c.idle.Add(1)
	}
	return true
}

// follow is the server's http.Server.ConnState.
func (c *connections) follow(conn net.Conn, state http.ConnState) {
	followed, ok := conn.(*connection)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	followed.isQuiet(state == http.StateNew || state == http.StateIdle)
}

// count is how many connections are open.
func (c *connections) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open
}

// register adds the metrics of a server.
func (c *connections) register(registry prometheus.Registerer, server string) error {
	labels := prometheus.Labels{"server": server}
	closed := func(why, help string, n *atomic.Uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "posse_http_connections_" + why + "_total", Help: help, ConstLabels: labels,
		}, func() float64 { return float64(n.Load()) })
	}
	return errors.Join(
		registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "posse_http_connections", Help: "Open connections.", ConstLabels: labels,
		}, func() float64 { return float64(c.count()) })),
		registry.Register(closed("evicted", "Idle connections that were closed because there were too many.", &c.idle)),
		registry.Register(closed("refused", "Connections that were closed at once because there were too many.", &c.refused)),
	)
}

// connection is one of the bounded ones.
type connection struct {
	net.Conn

	all      *connections
	deadline atomic.Bool // the handler gave writing one

	// all.mu guards these.
	closed bool
	place  *list.Element // among the quiet ones; nil while it is not
}

// isQuiet notes whether the connection waits for a request. The caller holds the lock.
func (c *connection) isQuiet(quiet bool) {
	if c.place != nil {
		c.all.quiet.Remove(c.place)
		c.place = nil
	}
	if quiet && !c.closed {
		c.place = c.all.quiet.PushBack(c)
	}
}

// Close closes the connection and makes room for another.
func (c *connection) Close() error {
	c.all.mu.Lock()
	if !c.closed {
		c.closed = true
		c.all.open--
		c.isQuiet(false)
	}
	c.all.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite says that nothing more comes, as both net/http and its reverse proxy do
// where they can.
func (c *connection) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Write gives up on a client that does not read.
func (c *connection) Write(p []byte) (written int, err error) {
	for {
		step := p[:min(len(p), writeStep)]
		if !c.deadline.Load() {
			if err := c.Conn.SetWriteDeadline(time.Now().Add(c.all.limits.WriteTime)); err != nil {
				return written, err
			}
		}
		n, err := c.Conn.Write(step)
		written += n
		if p = p[n:]; err != nil || len(p) == 0 {
			return written, err
		}
	}
}

// SetWriteDeadline sets that of the handler; the zero time means the limit's again.
func (c *connection) SetWriteDeadline(t time.Time) error {
	c.deadline.Store(!t.IsZero())
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline sets that of the handler, for reading too.
func (c *connection) SetDeadline(t time.Time) error {
	c.deadline.Store(!t.IsZero())
	return c.Conn.SetDeadline(t)
}
