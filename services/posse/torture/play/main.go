// Play runs the fault suite: it plays seeds one after the other until the time is over
// or a promise is broken, or examines a recorded directory again.
//
//	go run ./services/posse/torture/play [-seed N] [-each 90s] [-for 20m] [-dir DIR]
//	go run ./services/posse/torture/play -planted [-seed N] [-each 90s]
//	go run ./services/posse/torture/play -check DIR
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/posse-pos/posse/services/posse/torture"
)

func main() {
	now := uint64(time.Now().Unix())
	seed := flag.Uint64("seed", now, "the first `seed`; the next runs take the next ones")
	each := flag.Duration("each", 90*time.Second, "how long a run breaks things")
	total := flag.Duration("for", 20*time.Minute, "how long to go on with new seeds")
	dir := flag.String("dir", "", "where runs are recorded; a new temporary directory if empty")
	planted := flag.Bool("planted", false, "plant a bug in posse, one after the other, and say which are found")
	check := flag.String("check", "", "examine the run that was recorded in this `directory`, and run nothing")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch {
	case *check != "":
		err = torture.Report(os.Stdout, *check)
	case *planted:
		err = playPlanted(ctx, *seed, *each)
	default:
		err = play(ctx, *seed, *each, *total, *dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1) //nolint:gocritic // there is nothing left to stop
	}
}

// playPlanted plays one seed against posse with each of the planted bugs.
func playPlanted(ctx context.Context, seed uint64, each time.Duration) error {
	var overlooked []string
	for _, bug := range torture.PlantedBugs {
		broken, err := playBug(ctx, seed, each, bug)
		if err != nil {
			return fmt.Errorf("%s: %w", bug.Name, err)
		}
		found := slices.ContainsFunc(bug.Breaks, func(name string) bool { return slices.Contains(broken, name) })
		if !found {
			overlooked = append(overlooked, bug.Name)
		}
		fmt.Printf("%-75s found: %-5v breaks %s\n", bug.Name, found, strings.Join(broken, ", ")) //nolint:forbidigo // it is what it says
	}
	if len(overlooked) > 0 {
		return fmt.Errorf("seed %d: not found: %s", seed, strings.Join(overlooked, "; "))
	}
	return nil
}

func playBug(ctx context.Context, seed uint64, each time.Duration, bug torture.PlantedBug) (broken []string, err error) {
	dir, err := torture.MakeDir()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	programs, err := torture.BuildPlanted(ctx, dir, bug)
	if err != nil {
		return nil, err
	}
	run := torture.Config{Seed: seed, Duration: each, Dir: dir, Programs: programs, Log: io.Discard}
	if err := torture.Run(ctx, run); err != nil {
		return nil, err
	}
	findings, _, err := torture.Check(dir)
	for _, f := range findings {
		broken = append(broken, f.Promise)
	}
	slices.Sort(broken)
	return slices.Compact(broken), err
}

func play(ctx context.Context, seed uint64, each, total time.Duration, dir string) error {
	if dir == "" {
		var err error
		if dir, err = torture.MakeDir(); err != nil {
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
