package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// tillTick is how often the gateway of the tills stores what is due.
const tillTick = 10 * time.Millisecond

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

// newTills signs the devices in, two of each user, in batches as history does.
func newTills(ctx context.Context, r *rig, users int) (*tills, error) {
	t := &tills{log: r.log}
	at := time.Now().Add(-time.Hour)
	var batch []*nats.Msg
	for i := range 2 * users {
		login := loginOf(i, history{}.user(i/2), at)
		t.sessions = append(t.sessions, login.Event.SessionKey())
		m, err := events.Encode(login)
		if err != nil {
			return nil, err
		}
		batch = append(batch, &nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data})
		if len(batch) < events.MaxActiveSessions && i < 2*users-1 {
			continue
		}
		if _, err := jetstreamext.PublishMsgBatch(ctx, r.conn.JetStream(), batch); err != nil {
			return nil, err
		}
		batch = nil
	}
	return t, nil
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
