package gateway

import (
	"container/heap"
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/gateway/internal/feed"
)

const (
	touchShards = 64
	touchBatch  = 512
	touchRetry  = 500 * time.Millisecond
	ackTimeout  = 5 * time.Second
)

// toucher reports when sessions were last active. A request costs it a map
// lookup; everything else happens in run.
//
// A session's first request is reported at once. What follows within the interval
// is one touch at its end, of the last request by then: the activity is exact, and
// late by at most the interval. While touches cannot be stored, each session
// waits with its newest.
type toucher struct {
	cfg    Config
	source string // ce-source
	seed   maphash.Seed
	shards [touchShards]touchShard
	size   atomic.Int64

	mu    sync.Mutex
	queue touchQueue
	wake  chan struct{}

	sent, coalesced, dropped, failed atomic.Uint64
}

type touchShard struct {
	mu       sync.Mutex
	sessions map[events.Key]*activity
}

// activity is one session's. Its shard's lock guards it, but for due, which is the
// queue's. A session whose activity is reported, and whose next one may be
// reported at once, is forgotten.
//
//	         touch                 due: handed over
//	(quiet) ───────▶ (queued) ───────────────────────▶ (quiet)
//	                    ▲    not stored: with the newest  │
//	                    └─────────────────────────────────┘
type activity struct {
	key    events.Key
	last   int64 // newest request, in Unix milliseconds
	handed time.Time
	queued bool
	origin Origin
	due    time.Time
}

func newToucher(cfg Config) *toucher {
	t := &toucher{cfg: cfg, source: "/posse/gateway/" + events.EncodeToken(cfg.ID), seed: maphash.MakeSeed(), wake: make(chan struct{}, 1)}
	for i := range t.shards {
		t.shards[i].sessions = map[events.Key]*activity{}
	}
	return t
}

func (t *toucher) shard(key events.Key) *touchShard {
	return &t.shards[maphash.String(t.seed, key.Session)%touchShards]
}

// touch takes note of a request. It does not wait for anything but a map.
func (t *toucher) touch(key events.Key, origin Origin, now time.Time) {
	sh := t.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	a := sh.sessions[key]
	if a == nil {
		if t.size.Load() >= int64(t.cfg.TrackedSessions) {
			t.dropped.Add(1)
			return
		}
		t.size.Add(1)
		a = &activity{key: key}
		sh.sessions[key] = a
	}
	a.last = max(a.last, now.UnixMilli())
	if origin = origin.cut(); origin != (Origin{}) {
		a.origin = origin
	}
	if a.queued {
		t.coalesced.Add(1)
		t.cfg.Hooks.TouchCoalesced()
		return
	}
	a.queued = true
	t.push(a, a.handed.Add(t.cfg.TouchInterval))
}

func (t *toucher) push(a *activity, due time.Time) {
	t.mu.Lock()
	a.due = due
	heap.Push(&t.queue, a)
	first := t.queue[0] == a
	t.mu.Unlock()
	if first {
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
}

// run publishes what is due until ctx ends.
func (t *toucher) run(ctx context.Context, source feed.Feed) {
	forget := time.NewTicker(max(t.cfg.TouchInterval/touchShards, time.Millisecond))
	defer forget.Stop()
	for shard := 0; ctx.Err() == nil; {
		batch, wait := t.due(time.Now())
		if len(batch) > 0 && t.publish(ctx, source, batch) {
			continue
		}
		wake := t.wake
		if len(batch) > 0 {
			wake, wait = nil, touchRetry
		}
		select {
		case <-ctx.Done():
		case <-wake:
		case <-time.After(wait):
		case <-forget.C:
			shard++
			t.forget(&t.shards[shard%touchShards])
		}
	}
}

// flush publishes everything that waits, due or not, until ctx ends.
func (t *toucher) flush(ctx context.Context, source feed.Feed) {
	end := time.Now().Add(t.cfg.TouchInterval)
	for ctx.Err() == nil {
		batch, _ := t.due(end)
		if len(batch) == 0 || !t.publish(ctx, source, batch) {
			return
		}
	}
}

// due takes what is due from the queue, and returns how long to wait when there
// is nothing.
func (t *toucher) due(now time.Time) (batch []*activity, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.queue) > 0 && len(batch) < touchBatch {
		if wait := t.queue[0].due.Sub(now); wait > 0 {
			return batch, wait
		}
		batch = append(batch, heap.Pop(&t.queue).(*activity)) //nolint:forcetypeassert // the queue holds nothing else
	}
	return batch, time.Hour
}

// forget drops the sessions whose next request is reported at once anyway.
func (t *toucher) forget(sh *touchShard) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for key, a := range sh.sessions {
		if !a.queued && time.Since(a.handed) > t.cfg.TouchInterval {
			delete(sh.sessions, key)
			t.size.Add(-1)
		}
	}
}
