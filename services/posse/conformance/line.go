package conformance

import (
	"errors"
	"fmt"
	"net"
	"sync"
)

// line is the network between the gateway and NATS.
//
//	       cut                      freeze
//	(cut) ◀────── (open) ◀──────▶ (frozen)
//	       ──────▶         thaw
//	        open
//
// On a cut line connections end and none is made; on a frozen one they stay, and
// what is sent arrives when it thaws.
type line struct {
	listener net.Listener
	target   func() string
	running  sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond
	isCut   bool
	frozen  bool
	closed  bool
	tried   int // connections that were asked for
	made    int // and made
	ends    map[net.Conn]struct{}
}

// newLine returns a line that is cut. Target is asked for each connection.
func newLine(address string, target func() string) (*line, error) {
	listener, err := net.Listen("tcp", address) //nolint:noctx // it listens at once or not at all
	if err != nil {
		return nil, fmt.Errorf("conformance: NATS cannot be offered on %q: %w", address, err)
	}
	l := &line{listener: listener, target: target, isCut: true, ends: map[net.Conn]struct{}{}}
	l.changed = sync.NewCond(&l.mu)
	l.running.Go(l.serve)
	return l, nil
}

func (l *line) address() string { return l.listener.Addr().String() }

func (l *line) cut()    { l.set(true, false) }
func (l *line) open()   { l.set(false, false) }
func (l *line) freeze() { l.set(false, true) }

func (l *line) set(isCut, frozen bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.isCut, l.frozen = isCut, frozen
	if isCut {
		for end := range l.ends {
			_ = end.Close()
		}
	}
	l.changed.Broadcast()
}

// connections returns how often the gateway wanted one, and how often it got one.
func (l *line) connections() (tried, made int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tried, l.made
}

func (l *line) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.cut()
	_ = l.listener.Close()
	l.running.Wait()
}

func (l *line) serve() {
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

func (l *line) carry(near net.Conn) {
	defer near.Close()
	if !l.admit(near, true) {
		return
	}
	defer l.forget(near)
	far, err := net.Dial("tcp", l.target()) //nolint:noctx // NATS is on this machine
	if err != nil {
		return
	}
	defer far.Close()
	if !l.admit(far, false) {
		return
	}
	defer l.forget(far)
	var both sync.WaitGroup
	both.Go(func() { l.pump(near, far) })
	both.Go(func() { l.pump(far, near) })
	both.Wait()
}

// admit takes note of a connection, or says that there is none to be made.
func (l *line) admit(end net.Conn, first bool) bool {
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

func (l *line) forget(end net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.ends, end)
}

// pump carries bytes one way, and ends both connections when one has ended.
func (l *line) pump(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			l.untilThawed()
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (l *line) untilThawed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.frozen {
		l.changed.Wait()
	}
}
