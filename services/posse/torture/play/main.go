// Play runs the fault suite: it plays seeds one after the other until the time is over
// or a promise is broken, or examines a recorded directory again.
//
//	go run ./services/posse/torture/play [-seed N] [-each 90s] [-for 20m] [-servers N] [-clocks=false] [-dir DIR]
//	go run ./services/posse/torture/play -planted [-bug TEXT] [-seed N] [-each 90s]
//	go run ./services/posse/torture/play -check DIR
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/posse-pos/posse/services/posse/torture"
)

func main() {
	seed := flag.Uint64("seed", 0, "the first `seed`; the next runs take the next ones. 0 is the time, and for planted bugs theirs")
	each := flag.Duration("each", 90*time.Second, "how long a run breaks things")
	total := flag.Duration("for", 20*time.Minute, "how long to go on with new seeds")
	dir := flag.String("dir", "", "where each run gets a directory, kept if a promise is broken; the temporary directory if empty")
	servers := flag.Int("servers", 0, "how many servers of NATS there are: 1, 3, or in turn if 0")
	clocks := flag.Bool("clocks", true, "have each process's clock be off, for which all is compiled again once")
	planted := flag.Bool("planted", false, "plant a bug in posse, one after the other, and say which are found")
	bug := flag.String("bug", "", "plant only the bugs whose names have this `text`")
	check := flag.String("check", "", "examine the run that was recorded in this `directory`, and run nothing")
	flag.Parse()
	p := player{seed: *seed, each: *each, total: *total, servers: *servers, clocks: *clocks, dir: *dir, bug: *bug}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch {
	case *check != "":
		err = torture.Report(os.Stdout, *check)
	case *planted:
		err = p.planted(ctx)
	default:
		err = p.play(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1) //nolint:gocritic // there is nothing left to stop
	}
}

// player is what the flags say.
type player struct {
	seed        uint64
	each, total time.Duration
	servers     int
	clocks      bool
	dir         string
	bug         string
}

// planted plays a seed against posse with each of the planted bugs.
func (p player) planted(ctx context.Context) error {
	var overlooked []string
	var failed error
	for _, bug := range torture.PlantedBugs {
		if !strings.Contains(bug.Name, p.bug) {
			continue
		}
		caught, found, err := p.playBug(ctx, bug)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", bug.Name, err))
			fmt.Printf("%s\n    no verdict: %v\n", bug.Name, err) //nolint:forbidigo // it is what it says
			continue
		}
		if !found {
			overlooked = append(overlooked, bug.Name)
		}
		fmt.Printf("%s\n    found: %v %v\n", bug.Name, found, caught) //nolint:forbidigo // it is what it says
	}
	if len(overlooked) > 0 {
		failed = errors.Join(failed, fmt.Errorf("not found: %s", strings.Join(overlooked, "; ")))
	}
	return failed
}

// playBug plays the seeds of a bug until one shows it, and returns what the last one showed.
func (p player) playBug(ctx context.Context, bug torture.PlantedBug) (caught []torture.Caught, found bool, err error) {
	built, err := torture.MakeDir("")
	if err != nil {
		return nil, false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(built)) }()
	programs, err := torture.Build(ctx, built, torture.Source{Clocks: p.clocks, Planted: &bug})
	if err != nil {
		return nil, false, err
	}
	p.servers = cmp.Or(p.servers, bug.Servers)
	seeds := bug.Seeds
	if p.seed != 0 {
		seeds = []uint64{p.seed}
	}
	for _, seed := range seeds {
		if caught, err = p.catch(ctx, seed, programs); err != nil {
			return nil, false, err
		}
		if slices.ContainsFunc(caught, func(c torture.Caught) bool { return slices.Contains(bug.Breaks, c.Promise) }) {
			return caught, true, nil
		}
	}
	return caught, false, nil
}

// catch removes what it recorded, but a run that did not come to its end.
func (p player) catch(ctx context.Context, seed uint64, programs torture.Programs) ([]torture.Caught, error) {
	dir, err := torture.MakeDir(p.dir)
	if err != nil {
		return nil, err
	}
	if err := p.run(ctx, seed, dir, programs, io.Discard); err != nil {
		return nil, fmt.Errorf("seed %d, recorded in %s: %w", seed, dir, err)
	}
	caught, err := torture.WhenCaught(dir)
	return caught, errors.Join(err, os.RemoveAll(dir))
}

// run records a run of one seed.
func (p player) run(ctx context.Context, seed uint64, dir string, programs torture.Programs, log io.Writer) error {
	servers := p.servers
	if servers == 0 {
		servers = []int{1, 3}[seed%2]
	}
	return torture.Run(ctx, torture.Config{Seed: seed, Servers: servers, Duration: p.each, Dir: dir, Programs: programs, Log: log})
}

// play removes what it made, but a run that broke a promise or was not recorded whole.
func (p player) play(ctx context.Context) (err error) {
	built, err := torture.MakeDir("")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(built)) }()
	programs, err := torture.Build(ctx, built, torture.Source{Clocks: p.clocks})
	if err != nil {
		return err
	}
	seed := cmp.Or(p.seed, uint64(time.Now().Unix()))
	for began := time.Now(); ; seed++ {
		recorded, err := torture.MakeDir(p.dir)
		if err != nil {
			return err
		}
		if err := p.run(ctx, seed, recorded, programs, os.Stderr); err != nil {
			return fmt.Errorf("seed %d, recorded in %s: %w", seed, recorded, err)
		}
		if err := torture.Report(os.Stdout, recorded); err != nil {
			return err
		}
		if err := os.RemoveAll(recorded); err != nil {
			return err
		}
		if time.Since(began)+p.each > p.total {
			return nil
		}
	}
}
