// Command withpostgres runs a command with a throw-away PostgreSQL, whose URL it
// finds in POSSE_POSTGRES:
//
//	go run ./pkg/pgtest/withpostgres bin/posse bench
//
// The server syncs its writes, as one in production does, and is gone with the
// command. The exit status is the command's.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/posse-pos/posse/pkg/pgtest"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: withpostgres COMMAND [ARGUMENT...]")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1], os.Args[2:])
	stop()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		os.Exit(max(exit.ExitCode(), 1)) // -1 for a signal
	case err != nil:
		fmt.Fprintln(os.Stderr, "withpostgres:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, name string, arguments []string) (err error) {
	dir, err := os.MkdirTemp("", "posse-postgres-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	server, err := pgtest.Start(ctx, dir, pgtest.WithFsync())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	url, err := server.CreateDatabase(ctx, "posse")
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, name, arguments...) //nolint:gosec // to run what it is told is its purpose
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.Env = append(os.Environ(), "POSSE_POSTGRES="+url)
	return command.Run()
}
