// Command sdkapi holds the exported API of the gateway SDK to what is recorded of
// it in pkg/gateway/api.txt, one declaration a line. Run it from the root of the
// repository:
//
//	go run ./pkg/sdkapi                   # fails if the API is not the recorded one
//	go run ./pkg/sdkapi -record additions # records what is new, if nothing is gone
//	go run ./pkg/sdkapi -record all       # records the API whatever became of it
//
// A line that is gone breaks those who use the SDK; a new one breaks nobody. That
// is Go's own rule for its standard library: functions, methods and fields of a
// struct may be added, and whoever uses the SDK names the fields of its structs.
//
// The facts of the module events that the SDK gives out, such as events.Touched, are
// part of its API, and are recorded with what they consist of.
//
// The record is text, and not the export data that golang.org/x/exp/cmd/apidiff
// compares, so that a reviewer reads what a change does to the API, and so that
// between two releases it is the difference of one file.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
)

// The SDK's module, and the record in it.
const (
	module = "pkg/gateway"
	record = module + "/api.txt"
)

func main() {
	what := flag.String("record", "nothing", "write to "+record+": nothing, additions or all")
	flag.Parse()
	if err := run(*what); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(what string) error {
	if !slices.Contains([]string{"nothing", "additions", "all"}, what) {
		return fmt.Errorf("sdkapi: -record %q is neither nothing nor additions nor all", what)
	}
	recorded, err := os.ReadFile(record)
	if err != nil {
		return fmt.Errorf("sdkapi: run it from the root of the repository: %w", err)
	}
	packages, err := load(module)
	if err != nil {
		return fmt.Errorf("sdkapi: %w", err)
	}
	now := list(packages, isOurs)
	found := compare(strings.Split(strings.TrimSpace(string(recorded)), "\n"), now)
	if what == "all" || what == "additions" && len(found.gone) == 0 {
		return os.WriteFile(record, []byte(strings.Join(now, "\n")+"\n"), 0o644) //nolint:gosec // a source file
	}
	return found.err()
}
