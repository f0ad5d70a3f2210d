// Command posse answers two questions for a fleet of point-of-sale devices: who
// is signed in, on which device, now or at any moment in the past; and how is
// that device signed out so that its very next request is refused.
//
// The package wires the services; it holds one file per command and decides
// nothing about sessions. Run `posse help` for what it offers.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v3"
)

func main() { os.Exit(run()) }

// run returns the exit status: 0 for success, 1 for a failure, or what the
// error itself says.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := newApp(os.Stdout, os.Stderr).Run(ctx, os.Args)
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "posse:", err)
	if exit, ok := errors.AsType[cli.ExitCoder](err); ok {
		return exit.ExitCode()
	}
	return 1
}
