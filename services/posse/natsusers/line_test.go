package natsusers_test

import (
	"context"
	"net"
	"sync"
	"testing"
)

// line is the line between a store and its hub.
type line struct {
	t        *testing.T
	listener net.Listener
	target   string
	workers  sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond
	state   lineState
	conns   []net.Conn
}

type lineState int

const (
	whole  lineState = iota
	cut              // what goes over it ends, and nothing new begins
	frozen           // nothing comes through, and neither side hears why
)

func newLine(t *testing.T, target string) *line {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{t: t, listener: listener, target: target}
	l.changed = sync.NewCond(&l.mu)
	l.workers.Go(l.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		l.set(cut)
		l.workers.Wait()
	})
	return l
}

func (l *line) address() string { return l.listener.Addr().String() }

func (l *line) set(state lineState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = state
	if state == cut {
		for _, conn := range l.conns {
			_ = conn.Close()
		}
		l.conns = nil
	}
	l.changed.Broadcast()
}

func (l *line) accept() {
	for {
		store, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.thaw()
		hub, err := new(net.Dialer).DialContext(context.Background(), "tcp", l.target)
		if err != nil {
			_ = store.Close()
			continue
		}
		if !l.add(store, hub) {
			_, _ = store.Close(), hub.Close()
			continue
		}
		l.workers.Go(func() { l.move(store, hub) })
		l.workers.Go(func() { l.move(hub, store) })
	}
}

// thaw waits while the line is frozen.
func (l *line) thaw() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.state == frozen {
		l.changed.Wait()
	}
}

func (l *line) add(conns ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == cut {
		return false
	}
	l.conns = append(l.conns, conns...)
	return true
}

// move carries what one side sends, its end too, when the line lets it through.
func (l *line) move(to, from net.Conn) {
	for buffer := make([]byte, 16<<10); ; {
		n, err := from.Read(buffer)
		l.thaw()
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	_, _ = to.Close(), from.Close()
}
