package torture

import (
	"context"
	"sync"
	"time"

	"github.com/posse-pos/posse/events"
)

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
				pause(ctx, mendLook)
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
	began, acked := time.Now(), t.acked.Load()
	for _, query := range queries {
		after := time.Duration(-1)
		for ctx.Err() == nil && time.Since(began) < mendPatience {
			if _, err := r.sessions(ctx, t, query, tenants[0], "u-0", "active", acked); err == nil {
				after = time.Since(r.since) - r.meta.Healed
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
					fault.Error = err.Error()
				}
			}
		}
		fault.End = time.Since(r.since)
		r.faults.add(fault)
	}
	return ctx.Err()
}
