package torture

import (
	"context"
	"sync"
	"time"

	"github.com/posse-pos/posse/events"
)

// watch waits until each part is well, and says when that was: each role says that it is
// ready, and each query process shows what was acknowledged last.
func (r *running) watch(ctx context.Context, t *traffic) []Mended {
	well := map[string]func() bool{}
	for name := range r.in.admin {
		well[name] = func() bool { return r.in.isReady(ctx, name) == nil }
	}
	acked := t.acked.Load()
	for _, query := range r.in.named("query") {
		well["the lists of "+query] = func() bool {
			_, err := r.sessions(ctx, t, query, tenants[0], "u-0", "active", acked)
			return err == nil
		}
	}
	var mu sync.Mutex
	var all []Mended
	var watching sync.WaitGroup
	for part, isWell := range well {
		watching.Go(func() {
			after := time.Duration(-1)
			for after < 0 && ctx.Err() == nil && r.sinceHealed() < mendPatience {
				if isWell() {
					after = r.sinceHealed()
				} else {
					pause(ctx, mendLook)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, Mended{part, after})
		})
	}
	watching.Wait()
	return all
}

func (r *running) sinceHealed() time.Duration { return time.Since(r.since) - r.meta.Healed }

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
					fault.Error = err.Error()
				}
			}
		}
		fault.End = time.Since(r.since)
		r.faults.add(fault)
	}
	return ctx.Err()
}
