package torture

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/pgtest"
	"github.com/posse-pos/posse/services/posse/client"
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
	traffic.Go(func() { r.beat(busy) })
	nemesis := &nemesis{in: r.in, since: r.since, out: r.faults, busy: map[string]bool{}}
	nemesis.play(ctx, plan)
	r.meta.Healed = time.Since(r.since)
	r.sayf("everything is mended")
	mended := slices.Concat(r.watch(ctx), r.watchLists(ctx, t))
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
	return errors.Join(r.conclude(ctx, t, mended), r.operations.close(), r.faults.close())
}

// watch waits until each role says that it is ready, and says when that was.
func (r *running) watch(ctx context.Context) []Mended {
	var mu sync.Mutex
	var all []Mended
	var watching sync.WaitGroup
	healed := time.Now()
	for name := range r.in.admin {
		watching.Go(func() {
			after := time.Duration(-1)
			for ctx.Err() == nil && time.Since(healed) < mendPatience {
				if r.in.isReady(ctx, name) {
					after = time.Since(healed)
					break
				}
				<-time.After(mendLook)
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, Mended{name, after})
		})
	}
	watching.Wait()
	return all
}

// watchLists waits until each query process shows what was acknowledged last, and says
// when that was.
func (r *running) watchLists(ctx context.Context, t *traffic) []Mended {
	queries := r.in.named("query")
	all := make([]Mended, 0, len(queries))
	healed, acked := time.Now(), t.acked.Load()
	for _, query := range queries {
		after := time.Duration(-1)
		for ctx.Err() == nil && time.Since(healed) < mendPatience {
			if _, err := r.sessions(ctx, t, query, tenants[0], "u-0", "active", acked); err == nil {
				after = time.Since(healed)
				break
			}
			pause(ctx, mendLook)
		}
		all = append(all, Mended{"the lists of " + query, after})
	}
	return all
}

const (
	// poisonFor is how long nothing happens but poison and traffic, and poisonPause lies
	// between two doses of it.
	poisonFor   = 5 * time.Second
	poisonPause = 300 * time.Millisecond
)

// poisonAlone stores messages that nobody can read among the facts of people who are at
// work, and of one whom nobody knows.
func (r *running) poisonAlone(ctx context.Context) error {
	r.sayf("poison alone")
	conn, err := r.in.connect(ctx, "recorder")
	if err != nil {
		return err
	}
	defer conn.Close()
	for began := time.Now(); time.Since(began) < poisonFor && ctx.Err() == nil; pause(ctx, poisonPause) {
		now := time.Since(r.since)
		fault := Fault{Step: Step{At: now, Action: Poison, Target: "log"}, Begin: now}
		for _, tenant := range tenants {
			for _, user := range []string{"u-0", "poisoned"} {
				_, err := conn.JetStream().Publish(ctx, events.SessionSubject(tenant, user), []byte("{not an event"))
				if err != nil {
					return err
				}
			}
		}
		fault.End = time.Since(r.since)
		r.faults.add(fault)
	}
	return ctx.Err()
}

// conclude writes down what is true in the end.
func (r *running) conclude(ctx context.Context, t *traffic, mended []Mended) error {
	r.sayf("writing down how it ended")
	for _, name := range []string{fileLog, fileLogAgain} {
		if err := r.replay(ctx, name); err != nil {
			return err
		}
	}
	if err := r.touchEverybody(ctx, t); err != nil {
		return err
	}
	shown, model, err := r.settled(ctx, t)
	if err != nil {
		return err
	}
	if err := errors.Join(writeLines(r.Dir, fileModel, shown), writeLines(r.Dir, fileMended, append(mended, model))); err != nil {
		return err
	}
	if err := r.dumpModels(ctx); err != nil {
		return err
	}
	r.lastRequests(ctx, t)
	if err := r.scrape(ctx); err != nil {
		return err
	}
	return writeJSON(r.Dir, fileRun, r.meta)
}

// replay has an auditor write the history down.
func (r *running) replay(ctx context.Context, name string) error {
	//nolint:gosec // it is our own
	command := exec.CommandContext(ctx, r.in.posse, "audit", "replay",
		"--nats", r.in.directURL(), "--nats-nkey", r.in.key("auditor"), "--output", r.in.path(name))
	command.Env = withoutPosse(os.Environ())
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("posse audit replay: %w\n%s", err, out)
	}
	return nil
}

// settled returns what each query process shows of everybody, when it has come to the
// end of the log and they show the same, and how long that took: activity comes on a
// stream of its own.
func (r *running) settled(ctx context.Context, t *traffic) ([]Shown, Mended, error) {
	end, err := r.end()
	if err != nil {
		return nil, Mended{}, err
	}
	for began := time.Now(); ; {
		shown, err := r.shown(ctx, t, end)
		if err != nil {
			return nil, Mended{}, err
		}
		if took := time.Since(began); len(differing(shown)) == 0 || took >= caughtUpWithin {
			return shown, Mended{"the read model", took}, nil
		}
	}
}

func (r *running) shown(ctx context.Context, t *traffic, end uint64) ([]Shown, error) {
	var all []Shown
	for _, query := range r.in.named("query") {
		for _, tenant := range tenants {
			for n := range people {
				for _, state := range []string{"active", "ended"} {
					sessions, err := r.sessions(ctx, t, query, tenant, fmt.Sprintf("u-%d", n), state, end)
					if err != nil {
						return nil, fmt.Errorf("ask %s for the end: %w", query, err)
					}
					for _, session := range sessions {
						all = append(all, Shown{query, tenant, state, session})
					}
				}
			}
		}
	}
	return all, nil
}

// end is the last sequence of the log.
func (r *running) end() (uint64, error) {
	facts, err := readLines[struct {
		Sequence uint64 `json:"sequence"`
	}](r.Dir, fileLog)
	if err != nil || len(facts) == 0 {
		return 0, fmt.Errorf("the log is empty: %w", err)
	}
	return facts[len(facts)-1].Sequence, nil
}

func (r *running) sessions(
	ctx context.Context, t *traffic, query, tenant, user, state string, position uint64,
) ([]json.RawMessage, error) {
	api, err := client.New(r.in.api[query], t.admins[tenant])
	if err != nil {
		return nil, err
	}
	var answer struct {
		Sessions []json.RawMessage `json:"sessions"`
	}
	err = api.Do(ctx, client.Request{
		Method: http.MethodGet, Path: "/v1/users/" + user + "/sessions",
		Query: url.Values{"state": {state}, "wait_for": {strconv.FormatUint(position, 10)}, "wait": {"30"}, "limit": {"1000"}},
	}, &answer)
	if problem, ok := errors.AsType[*client.Problem](err); ok && problem.Status == http.StatusNotFound {
		return nil, nil // nobody of that name ever signed in
	}
	return answer.Sessions, err
}

// lastRequests has devices ask every gateway once more: those that are remembered, and
// those of whom it is in doubt what happened. Then each gateway says where it is.
func (r *running) lastRequests(ctx context.Context, t *traffic) {
	var tills sync.WaitGroup
	devices := t.asking()
	for _, gateway := range r.in.named("gateway") {
		tills.Go(func() {
			c := &caller{traffic: t, name: "last at " + gateway}
			for _, d := range devices {
				c.requestOf(ctx, gateway, d, true)
			}
			c.status(ctx, gateway, true)
		})
	}
	tills.Wait()
}

// scrape writes down the metrics of every role, and what is in the database.
func (r *running) scrape(ctx context.Context) error {
	for name := range r.in.admin {
		_, text, err := r.in.look(ctx, name, "/metrics")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(r.Dir, dirWritten, name+".metrics"), text, 0o600); err != nil {
			return err
		}
	}
	dump, err := pgtest.Dump(ctx, r.in.database.URL("posse"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.Dir, dirWritten, fileDatabase), dump, 0o600)
}
