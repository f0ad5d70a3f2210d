// Package netfault is a TCP line whose faults are made on purpose: it is put between
// a program and a server, to see what the program does when the network breaks.
package netfault

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Line carries TCP connections to a target.
//
//	        Cut            Freeze
//	      ◀──────         ──────▶
//	(cut)          (open)          (frozen)
//	      ──────▶         ◀──────
//	                Open
//
// On a cut line connections end and none is made; on a frozen one they stay, more
// are accepted, and what is sent arrives when it is opened. FreezeThere and FreezeBack
// freeze one direction, which leaves it half open. Its methods may be called at the
// same time.
type Line struct {
	listener net.Listener
	target   func() string
	through  func(io.Reader) io.Reader
	running  sync.WaitGroup
	stopped  chan struct{}

	mu      sync.Mutex
	changed *sync.Cond
	isCut   bool
	frozen  map[way]bool
	closed  bool
	delay   time.Duration
	tried   int // connections that were asked for
	made    int // and made
	ends    map[net.Conn]struct{}
}

// way is a direction.
type way int

const (
	there way = iota // to the target
	back
)

// Option is a setting of a line.
type Option func(*Line)

// Through has what comes back on each connection read through a reader of its own,
// which may change it.
func Through(reader func(io.Reader) io.Reader) Option { return func(l *Line) { l.through = reader } }

// Listen returns a line that is cut. It listens on a TCP address, where port 0 is
// any free one; target returns the host:port at its other end and is asked for each
// connection.
func Listen(address string, target func() string, opts ...Option) (*Line, error) {
	listener, err := net.Listen("tcp", address) //nolint:noctx // it listens at once or not at all
	if err != nil {
		return nil, fmt.Errorf("netfault: %w", err)
	}
	l := &Line{
		listener: listener, target: target, stopped: make(chan struct{}),
		isCut: true, ends: map[net.Conn]struct{}{},
		through: func(r io.Reader) io.Reader { return r },
	}
	for _, opt := range opts {
		opt(l)
	}
	l.changed = sync.NewCond(&l.mu)
	l.running.Go(l.serve)
	return l, nil
}

// Address returns the host:port of the line's near end.
func (l *Line) Address() string { return l.listener.Addr().String() }

// Cut ends all connections, and each one that is made from now on.
func (l *Line) Cut() { l.set(true) }

// Open mends the line. A delay stays.
func (l *Line) Open() { l.set(false) }

// Freeze stops what is on its way, in both directions.
func (l *Line) Freeze() { l.set(false, there, back) }

// FreezeThere stops what is on its way to the target.
func (l *Line) FreezeThere() { l.set(false, there) }

// FreezeBack stops what is on its way from the target.
func (l *Line) FreezeBack() { l.set(false, back) }

// Delay makes everything take so much longer in each direction from now on.
func (l *Line) Delay(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay = d
}

func (l *Line) set(isCut bool, frozen ...way) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.isCut, l.frozen = isCut, map[way]bool{}
	for _, w := range frozen {
		l.frozen[w] = true
	}
	if isCut {
		for end := range l.ends {
			_ = end.Close()
		}
	}
	l.changed.Broadcast()
}

// Connections returns how many were wanted since the beginning, and how many of
// them were made.
func (l *Line) Connections() (tried, made int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tried, l.made
}

// Close cuts the line for good and waits for its connections.
func (l *Line) Close() {
	l.mu.Lock()
	first := !l.closed
	l.closed = true
	l.mu.Unlock()
	if first {
		close(l.stopped)
	}
	l.Cut()
	_ = l.listener.Close()
	l.running.Wait()
}

func (l *Line) serve() {
	for {
		near, err := l.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			l.running.Go(func() { l.carry(near) })
		}
	}
}

func (l *Line) carry(near net.Conn) {
	defer near.Close()
	if !l.admit(near, true) {
		return
	}
	defer l.forget(near)
	l.untilThawed(there)                    // who connects to a frozen line reaches nobody
	far, err := net.Dial("tcp", l.target()) //nolint:noctx // it is there at once or not at all
	if err != nil {
		return
	}
	defer far.Close()
	if !l.admit(far, false) {
		return
	}
	defer l.forget(far)
	var both sync.WaitGroup
	both.Go(func() { l.pump(near, near, far, there) })
	both.Go(func() { l.pump(far, l.through(far), near, back) })
	both.Wait()
}

// admit takes note of a connection, or says that there is none to be made.
func (l *Line) admit(end net.Conn, first bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if first {
		l.tried++
	}
	if l.isCut || l.closed {
		return false
	}
	if !first {
		l.made++
	}
	l.ends[end] = struct{}{}
	return true
}

func (l *Line) forget(end net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.ends, end)
}

// parcel is what was read at once, and when it is due at the other end.
type parcel struct {
	bytes []byte
	due   time.Time
}

// pump carries what a connection gives to read one way, and ends both connections when
// one has ended.
func (l *Line) pump(from net.Conn, read io.Reader, to net.Conn, w way) {
	parcels := make(chan parcel, 1024)
	var delivery sync.WaitGroup
	delivery.Go(func() {
		l.deliver(parcels, to, w)
		_ = from.Close()
		_ = to.Close()
		for range parcels { // what is left goes nowhere
		}
	})
	defer delivery.Wait()
	defer close(parcels)
	for {
		buffer := make([]byte, 16<<10)
		n, err := read.Read(buffer)
		if n > 0 {
			parcels <- parcel{buffer[:n], time.Now().Add(l.delayed())}
		}
		if err != nil {
			return
		}
	}
}

// deliver writes what is on its way when it is due, until that ends or cannot be
// written.
func (l *Line) deliver(parcels <-chan parcel, to net.Conn, w way) {
	for p := range parcels {
		select {
		case <-time.After(time.Until(p.due)):
		case <-l.stopped:
		}
		l.untilThawed(w)
		if _, err := to.Write(p.bytes); err != nil {
			return
		}
	}
}

func (l *Line) delayed() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.delay
}

func (l *Line) untilThawed(w way) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.frozen[w] {
		l.changed.Wait()
	}
}
