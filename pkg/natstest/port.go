package natstest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// Ports lie below those that a system gives to whoever asks for any (RFC 6335 §6:
// from 49152; Linux: from 32768), which tests beside this one do all the time. A
// server that restarts finds its port free, and so does a node of a cluster, whose
// port has to be known before it starts.
const firstPort, lastPort = 20_000, 32_000

// listen listens on a free port of ours.
func listen(t testing.TB) net.Listener {
	t.Helper()
	var err error
	for range 100 {
		var listener net.Listener
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(firstPort+rand.IntN(lastPort-firstPort)))
		if listener, err = new(net.ListenConfig).Listen(t.Context(), "tcp", address); err == nil {
			return listener
		}
	}
	t.Fatalf("natstest: find a free port from %d to %d: %v", firstPort, lastPort, err)
	return nil
}

// FreePort returns a port that was free a moment ago, for what a server listens on
// besides clients.
func FreePort(t testing.TB) int {
	t.Helper()
	return freePort(t)
}

// FreeAddress returns a host:port that was free a moment ago, and that a system does
// not give to somebody who asks for any.
func FreeAddress(t testing.TB) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(t)))
}

// freePort returns a port that was free a moment ago.
func freePort(t testing.TB) int {
	t.Helper()
	listener := listen(t)
	if err := listener.Close(); err != nil {
		t.Fatalf("natstest: free a port: %v", err)
	}
	address, _ := listener.Addr().(*net.TCPAddr)
	return address.Port
}
