package process

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// Listen opens a TCP listener on host:port; port 0 takes a free one, and an
// empty host means all addresses.
func Listen(ctx context.Context, name, address string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("process: %s cannot listen on %q: %w", name, address, err)
	}
	return listener, nil
}

// URL returns where a listener can be reached from this machine.
func URL(scheme string, listener net.Listener) string {
	host, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return scheme + "://" + listener.Addr().String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// Announcement names the addresses of a process, for example
// {"api": "http://127.0.0.1:8480"}.
type Announcement map[string]string

// Write puts the announcement into a file as JSON. The file appears complete or
// not at all, so whoever waits for it can read it at once.
func (a Announcement) Write(file string) error {
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return fmt.Errorf("process: cannot announce the addresses: %w", err)
	}
	defer func() { _ = os.Remove(temporary.Name()) }()
	if _, err = temporary.Write(append(data, '\n')); err == nil {
		err = temporary.Close()
	}
	if err == nil {
		err = os.Rename(temporary.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("process: cannot announce the addresses in %q: %w", file, err)
	}
	return nil
}
