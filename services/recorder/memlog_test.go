package recorder_test

import (
	"context"
	"sync"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/activesessions/memstore"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// memlog is a log in memory that a read model follows, as far as it is let.
type memlog struct {
	mu      sync.Mutex
	facts   []eventlog.Recorded
	touches map[events.Key]eventlog.Recorded
	store   *memstore.Store
	held    []eventlog.Recorded // not followed yet
	holding bool
	appends int
	reads   int

	// before is called with each append before it happens, and may fail it;
	// after likewise, when it has happened.
	before, after func(n int) error

	keys       []string // that everybody has
	destroyed  []events.Forgotten
	destroying error
}

var created = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newMemlog(now func() time.Time) *memlog {
	return &memlog{touches: map[events.Key]eventlog.Recorded{}, store: memstore.New(memstore.Config{Now: now})}
}

func (l *memlog) Keys(context.Context, string, string) ([]string, error) { return l.keys, nil }

func (l *memlog) Destroy(_ context.Context, forgotten events.Forgotten) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.destroying == nil {
		l.destroyed = append(l.destroyed, forgotten)
	}
	return l.destroying
}

func (l *memlog) OldKeys(context.Context, time.Time) ([]eventlog.QuarterKeys, error) { return nil, nil }

func (l *memlog) DestroyQuarter(context.Context, string, string) (int, error) { return 0, nil }

func (l *memlog) Append(ctx context.Context, facts []events.Envelope, expect *eventlog.Expectation) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.appends++
	if l.before != nil {
		if err := l.before(l.appends); err != nil {
			return 0, err
		}
	}
	last, err := l.append(ctx, facts, expect)
	if err == nil && l.after != nil {
		err = l.after(l.appends)
	}
	return last, err
}

func (l *memlog) append(ctx context.Context, facts []events.Envelope, expect *eventlog.Expectation) (uint64, error) {
	key := facts[0].Event.SessionKey()
	isOvertaken := expect != nil && expect.LastSequence != l.last(key.Tenant, key.User)
	if at, ok := l.find(facts[len(facts)-1].ID); ok && (!isOvertaken || !expect.Strict) {
		return at, nil
	}
	if isOvertaken {
		return 0, eventlog.ErrConflict
	}
	for _, fact := range facts {
		message, err := events.Encode(fact)
		if err != nil {
			return 0, err
		}
		if fact, err = events.Decode(message); err != nil {
			return 0, err
		}
		r := eventlog.Recorded{Envelope: fact, Stream: events.StreamSessions, Sequence: uint64(len(l.facts) + 1), Time: fact.Time}
		l.facts = append(l.facts, r)
		l.held = append(l.held, r)
	}
	if !l.holding {
		l.follow(ctx)
	}
	return uint64(len(l.facts)), nil
}

func (l *memlog) find(id string) (uint64, bool) {
	for _, r := range l.facts {
		if r.ID == id {
			return r.Sequence, true
		}
	}
	return 0, false
}

func (l *memlog) last(tenant, user string) (last uint64) {
	for _, r := range l.facts {
		if k := r.Event.SessionKey(); k.Tenant == tenant && k.User == user {
			last = r.Sequence
		}
	}
	return last
}

// follow is the projector of this log.
func (l *memlog) follow(ctx context.Context) {
	if len(l.held) == 0 {
		return
	}
	from, err := l.store.Checkpoint(ctx, events.StreamSessions)
	if err != nil {
		panic(err)
	}
	end := l.held[len(l.held)-1]
	from.Stream = events.StreamSessions
	to := eventlog.Position{Stream: events.StreamSessions, Created: created, Sequence: end.Sequence, ID: end.ID}
	if _, err := l.store.Apply(ctx, activesessions.Batch{Facts: l.held, From: from, To: to}); err != nil {
		panic(err)
	}
	l.held = nil
}

// hold keeps the read model from following; release lets it.
func (l *memlog) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holding = true
}

func (l *memlog) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holding = false
	l.follow(context.Background())
}

func (l *memlog) Touch(_ context.Context, touches []events.Envelope) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range touches {
		l.touches[t.Event.SessionKey()] = eventlog.Recorded{Envelope: t, Stream: events.StreamTouches}
	}
	return nil
}

func (l *memlog) User(_ context.Context, tenant, user string, after uint64) ([]eventlog.Recorded, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reads++
	var found []eventlog.Recorded
	for _, r := range l.facts[min(int(after), len(l.facts)):] {
		if k := r.Event.SessionKey(); k.Tenant == tenant && k.User == user {
			found = append(found, r)
		}
	}
	return found, nil
}

func (l *memlog) LastSequence(_ context.Context, tenant, user string) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last(tenant, user), nil
}

func (l *memlog) LastTouch(_ context.Context, key events.Key) (eventlog.Recorded, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t, ok := l.touches[key]
	if !ok {
		return t, eventlog.ErrNotFound
	}
	return t, nil
}

func (l *memlog) Read(context.Context, string, uint64, int) (eventlog.Batch, error) {
	panic("the recorder does not read streams")
}

func (l *memlog) State(context.Context, string) (eventlog.State, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return eventlog.State{Created: created, First: 1, Last: uint64(len(l.facts))}, nil
}

// events returns what was appended for a user.
func (l *memlog) events(tenant, user string) []events.Event {
	recorded, _ := l.User(context.Background(), tenant, user, 0)
	found := make([]events.Event, len(recorded))
	for i, r := range recorded {
		found[i] = r.Event
	}
	return found
}
