package torture

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Config is one run.
type Config struct {
	// Seed of the plan and of what clients do.
	Seed uint64
	// Duration is how long things are broken.
	Duration time.Duration
	// Dir is where everything is recorded. It has to be empty, and other users have to
	// be able to go through it: PostgreSQL does not run as root.
	Dir string
	// Servers is how many servers of NATS there are: 1, or 3 that are a cluster. 0 means 1.
	Servers int
	// Programs are what is run; see Build. Required.
	Programs Programs
	// Log hears how far the run is.
	Log io.Writer
}

const (
	// mendPatience is how long after the last fault everything may take to be well.
	mendPatience = 60 * time.Second
	mendLook     = 20 * time.Millisecond
	// quietTime is for activity that gateways still hold back: twice what they hold it
	// for, and a second.
	quietTime = 2*touchInterval + time.Second
)

// Run plays a plan against an installation of its own and records what happens. An
// error says that there is no history to examine.
func Run(ctx context.Context, config Config) (err error) {
	config.Servers = max(config.Servers, 1)
	r := &running{Config: config, since: time.Now(), began: time.Now()}
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections() //nolint:forcetypeassert // it is one
	if r.operations, err = createJournal(config.Dir, fileOperations); err != nil {
		return err
	}
	if r.faults, err = createJournal(config.Dir, fileFaults); err != nil {
		return err
	}
	r.sayf("starting")
	r.in, err = install(ctx, config, r.died)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, r.in.end())
		r.sayf("everything is gone")
	}()
	return r.play(ctx)
}

// running is one Run under way.
type running struct {
	Config

	in         *installation
	operations *journal
	faults     *journal
	since      time.Time // when things began to be broken
	began      time.Time
	meta       Meta
}

func (r *running) sayf(format string, args ...any) {
	fmt.Fprintf(r.Log, "torture: %5.1f s: "+format+"\n", append([]any{time.Since(r.began).Seconds()}, args...)...)
}

// died takes note of a process that ended by itself.
func (r *running) died(name string, err error) {
	now := time.Since(r.since)
	r.faults.add(Fault{Step: Step{At: now, Action: "died", Target: name}, Begin: now, End: now, Error: fmt.Sprint(err)})
}

func (r *running) play(ctx context.Context) error {
	r.since = time.Now()
	r.meta = Meta{Seed: r.Seed, Servers: r.Servers, Clocks: r.in.clocks, Duration: r.Duration, Canary: "Canary-" + rand.Text()}
	t := &traffic{in: r.in, since: r.since, out: r.operations, canary: r.meta.Canary}
	if err := t.start(ctx); err != nil {
		return err
	}
	plan := Plan(r.Seed, r.Duration, r.in.targets())
	r.sayf("seed %d: %d faults in %s", r.Seed, len(plan), r.Duration)
	busy, rest := context.WithCancel(ctx)
	defer rest()
	var traffic sync.WaitGroup
	traffic.Go(func() { t.run(busy, r.Seed) })
	var heart error
	traffic.Go(func() { heart = r.beat(busy) })
	nemesis := &nemesis{in: r.in, since: r.since, out: r.faults, busy: map[string]bool{}}
	nemesis.play(ctx, plan)
	r.meta.Healed = time.Since(r.since)
	r.sayf("everything is mended")
	mended := r.watch(ctx, t)
	if !slices.ContainsFunc(mended, func(m Mended) bool { return m.After < 0 }) {
		r.meta.Well = time.Since(r.since)
		if err := r.poisonAlone(ctx); err != nil {
			return err
		}
	}
	rest()
	traffic.Wait()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(quietTime):
	}
	return errors.Join(heart, r.conclude(ctx, t, mended), r.operations.close(), r.faults.close())
}
