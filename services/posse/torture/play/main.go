// Play runs the fault suite: it plays seeds one after the other until the time is over
// or a promise is broken, or examines a recorded directory again.
//
//	go run ./services/posse/torture/play [-seed N] [-each 90s] [-for 20m] [-dir DIR]
//	go run ./services/posse/torture/play -check DIR
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"time"

	"github.com/posse-pos/posse/services/posse/torture"
)

func main() {
	now := uint64(time.Now().Unix())
	seed := flag.Uint64("seed", now, "the first `seed`; the next runs take the next ones")
	each := flag.Duration("each", 90*time.Second, "how long a run breaks things")
	total := flag.Duration("for", 20*time.Minute, "how long to go on with new seeds")
	dir := flag.String("dir", "", "where runs are recorded; a new temporary directory if empty")
	check := flag.String("check", "", "examine the run that was recorded in this `directory`, and run nothing")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := play(ctx, *seed, *each, *total, *dir, *check); err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1) //nolint:gocritic // there is nothing left to stop
	}
}

func play(ctx context.Context, seed uint64, each, total time.Duration, dir, check string) error {
	if check != "" {
		return torture.Report(os.Stdout, check)
	}
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "posse-torture-"); err != nil {
			return err
		}
		if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // PostgreSQL does not run as root
			return err
		}
	}
	programs, err := torture.Build(ctx, dir)
	if err != nil {
		return err
	}
	for began := time.Now(); ; seed++ {
		recorded := filepath.Join(dir, strconv.FormatUint(seed, 10))
		if err := os.MkdirAll(recorded, 0o755); err != nil { //nolint:gosec // PostgreSQL does not run as root
			return err
		}
		run := torture.Config{Seed: seed, Duration: each, Dir: recorded, Programs: programs, Log: os.Stderr}
		if err := torture.Run(ctx, run); err != nil {
			return fmt.Errorf("seed %d, recorded in %s: %w", seed, recorded, err)
		}
		if err := torture.Report(os.Stdout, recorded); err != nil {
			return err
		}
		if time.Since(began)+each > total {
			return os.RemoveAll(dir)
		}
		if err := os.RemoveAll(recorded); err != nil {
			return err
		}
	}
}
