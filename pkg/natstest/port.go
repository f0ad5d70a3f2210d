package natstest

import (
	"context"
	"fmt"
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
func listen(ctx context.Context) (net.Listener, error) {
	var err error
	for range 100 {
		var listener net.Listener
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(firstPort+rand.IntN(lastPort-firstPort)))
		if listener, err = new(net.ListenConfig).Listen(ctx, "tcp", address); err == nil {
			return listener, nil
		}
	}
	return nil, fmt.Errorf("natstest: find a free port from %d to %d: %w", firstPort, lastPort, err)
}

// Address is FreeAddress where there is no test.
func Address(ctx context.Context) (string, error) {
	listener, err := listen(ctx)
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// FreePort returns a port that was free a moment ago, for what a server listens on
// besides clients.
func FreePort(t testing.TB) int {
	t.Helper()
	address, err := net.ResolveTCPAddr("tcp", FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	return address.Port
}

// FreeAddress returns a host:port that was free a moment ago, and that a system does
// not give to somebody who asks for any.
func FreeAddress(t testing.TB) string {
	t.Helper()
	address, err := Address(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return address
}
