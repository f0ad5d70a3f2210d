package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// tillTick is how often the gateway of the tills stores what is due.
const tillTick = 10 * time.Millisecond

// tillsSignedIn is how many users sign in at the same time.
const tillsSignedIn = 16

// tills are the devices of a tenant, which are active one after the other, and
// the gateway that says so.
type tills struct {
	log      eventlog.Appender
	sessions []events.Key

	mu      sync.Mutex
	shown   []*activity // of sessions that somebody looks at, each once a second
	touches int         // so far
	others  int         // of them, those of nobody in particular
}

// activity is when a session was used, in the order of the times. Its tills' lock
// guards it.
type activity struct {
	key   events.Key
	tills *tills
	times []time.Time
}

// newTills signs the devices in: two of each user.
func newTills(ctx context.Context, log eventlog.Appender, users int) (*tills, error) {
	t := &tills{log: log, sessions: make([]events.Key, 2*users)}
	at := time.Now().Add(-time.Hour)
	return t, shared(users, tillsSignedIn, func(user int) error {
		first, second := loginOf(2*user, history{}.user(user), at), loginOf(2*user+1, history{}.user(user), at)
		t.sessions[2*user], t.sessions[2*user+1] = first.Event.SessionKey(), second.Event.SessionKey()
		_, err := log.Append(ctx, []events.Envelope{first, second}, nil)
		return err
	})
}

// ofUser is a session of the i-th user.
func (t *tills) ofUser(i int) events.Key { return t.sessions[2*i] }

// show has sessions be used once a second.
func (t *tills) show(sessions []events.Key) []*activity {
	shown := make([]*activity, len(sessions))
	for i, key := range sessions {
		shown[i] = &activity{key: key, tills: t}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.shown = shown
	return shown
}

// work has so many touches arrive in a second, until the context ends.
func (t *tills) work(ctx context.Context, perSecond int) error {
	ticker := time.NewTicker(tillTick)
	defer ticker.Stop()
	start := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		touches := t.due(perSecond, int(time.Since(start).Seconds()*float64(perSecond)))
		if err := t.log.Touch(ctx, touches); err != nil && ctx.Err() == nil {
			return fmt.Errorf("store touches: %w", err)
		}
	}
}

// due takes the touches up to the n-th.
func (t *tills) due(perSecond, n int) []events.Envelope {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now().Truncate(time.Millisecond) // as facts have it
	var touches []events.Envelope
	for ; t.touches < n; t.touches++ {
		touches = append(touches, touchOf(t.next(t.touches%perSecond, perSecond, now), now))
	}
	return touches
}

// next is whose turn it is in a second's slot: the shown ones are spread over it.
func (t *tills) next(slot, perSecond int, now time.Time) events.Key {
	if turn := slot * len(t.shown) / perSecond; turn != (slot+1)*len(t.shown)/perSecond {
		shown := t.shown[turn]
		shown.times = append(shown.times, now)
		return shown.key
	}
	t.others++
	return t.sessions[t.others%len(t.sessions)]
}

// since returns the touches after the first n.
func (a *activity) since(n int) []time.Time {
	a.tills.mu.Lock()
	defer a.tills.mu.Unlock()
	return a.times[n:]
}
