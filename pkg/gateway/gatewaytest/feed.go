package gatewaytest

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/gateway/internal/feed"
)

// errAway is what a touch gets while the feed is frozen.
var errAway = errors.New("gatewaytest: the feed is frozen")

// sessionLife is how long a session that Revoke ends would have gone on.
const sessionLife = 24 * time.Hour

// Feed stands for NATS and the relay: set it as gateway.Config.Feed. What it is
// told to send is applied by every gateway that follows it when the method
// returns, unless it is frozen. A gateway that begins to follow gets everything
// that was sent before, and then a tick, so that it is ready. No more ticks come by
// themselves: the gateway is stale when Tick was not called for
// gateway.Config.StaleAfter.
type Feed struct {
	// Now is the clock of the relay and of NATS, by which gateways set theirs. Nil
	// means time.Now. Set it before the first use.
	Now func() time.Time

	mu        sync.Mutex
	changed   *sync.Cond
	log       []message
	epoch     int // counts how often the stream was made anew
	frozen    bool
	released  int // how much of the log is delivered while it is frozen
	sequence  uint64
	last      map[string]uint64
	created   time.Time
	followers map[*follower]struct{}
	calls     map[int]func()
	called    int
	touches   []events.Touched
	statuses  []events.GatewayStatus
}

type message struct {
	subject string
	data    []byte
	sent    time.Time
}

type follower struct {
	next  int
	epoch int
}

// NewFeed returns a feed on which nothing was sent yet.
func NewFeed() *Feed {
	f := &Feed{last: map[string]uint64{}, followers: map[*follower]struct{}{}, calls: map[int]func(){}, created: time.Now()}
	f.changed = sync.NewCond(&f.mu)
	return f
}

// Revoke sends the revocation of a session.
func (f *Feed) Revoke(tenant, session string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sequence++
	f.send(events.RevocationSubject(tenant), events.Revocation{
		Tenant: tenant, Session: session, Expires: events.TimestampOf(f.now().Add(sessionLife)),
		Cause: events.CauseTerminate, Sequence: f.sequence, Previous: f.last[tenant],
	})
	f.last[tenant] = f.sequence
	f.wait()
}

// Tick says that everything revoked by now was sent.
func (f *Feed) Tick() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tick()
	f.wait()
}

// CallRoll asks every gateway for its status, which each gives once a second at
// most.
func (f *Feed) CallRoll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, call := range f.calls {
		call()
	}
}

// RollCalls is for the gateway.
func (f *Feed) RollCalls(call func()) (stop func(), err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.called++
	id := f.called
	f.calls[id] = call
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.calls, id)
	}, nil
}

// SendUnreadable sends a revocation that no gateway can read.
func (f *Feed) SendUnreadable(tenant string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, message{events.RevocationSubject(tenant), []byte("?"), f.now()})
	f.changed.Broadcast()
	f.wait()
}

// Recreate makes the stream anew: everything that was sent is gone from it, and
// gateways load it again.
func (f *Feed) Recreate() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.epoch++
	f.log, f.released = nil, 0
	f.changed.Broadcast()
}

// Freeze holds back what is sent from now on, as a line does that hangs, and
// refuses touches.
func (f *Feed) Freeze() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.frozen, f.released = true, f.end()
}

// Step delivers the first of what is held back, to every gateway, and reports
// whether there was something.
func (f *Feed) Step() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.end() == len(f.log) {
		return false
	}
	f.released++
	f.changed.Broadcast()
	f.wait()
	return true
}

// Thaw delivers what is held back, and what comes.
func (f *Feed) Thaw() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.frozen = false
	f.changed.Broadcast()
	f.wait()
}

// Touches returns the touches that were stored.
func (f *Feed) Touches() []events.Touched {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]events.Touched(nil), f.touches...)
}

// Statuses returns what gateways reported.
func (f *Feed) Statuses() []events.GatewayStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]events.GatewayStatus(nil), f.statuses...)
}

// Follow is for the gateway.
func (f *Feed) Follow(ctx context.Context, sink feed.Sink) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	me := &follower{epoch: f.epoch}
	f.followers[me] = struct{}{}
	defer delete(f.followers, me)
	defer f.changed.Broadcast()
	defer context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.changed.Broadcast()
	})()
	f.deliver(ctx, me, sink, feed.Unproven)
	sink.CaughtUp()
	if !f.frozen {
		f.tick()
	}
	for ctx.Err() == nil {
		if me.epoch != f.epoch {
			return feed.ErrRestart
		}
		f.deliver(ctx, me, sink, 0)
		f.changed.Wait()
	}
	return ctx.Err()
}

// PublishTouches is for the gateway.
func (f *Feed) PublishTouches(_ context.Context, messages []events.Message) []error {
	f.mu.Lock()
	defer f.mu.Unlock()
	errs := make([]error, len(messages))
	for i, m := range messages {
		if errs[i] = errAway; f.frozen {
			continue
		}
		envelope, err := events.Decode(m)
		if errs[i] = err; err != nil {
			continue
		}
		if touched, ok := envelope.Event.(events.Touched); ok {
			f.touches = append(f.touches, touched)
		}
	}
	return errs
}

// PublishStatus is for the gateway.
func (f *Feed) PublishStatus(_ string, data []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var status events.GatewayStatus
	if err := json.Unmarshal(data, &status); err != nil {
		return err
	}
	f.statuses = append(f.statuses, status)
	return nil
}

// Close is for the gateway.
func (*Feed) Close() {}

func (f *Feed) tick() {
	f.send(events.SubjectTick, events.Tick{
		Sequence: f.sequence, AsOf: events.TimestampOf(f.now()), Written: events.TimestampOf(f.now()),
		StreamCreated: events.TimestampOf(f.created), Relay: "gatewaytest",
	})
}

func (f *Feed) send(subject string, payload any) {
	data, err := json.Marshal(payload)
	if err != nil {
		panic("gatewaytest: " + err.Error()) // the facts of package events have a JSON form
	}
	f.log = append(f.log, message{subject, data, f.now()})
	f.changed.Broadcast()
}

// deliver applies what the follower has not seen, without the lock: a gateway may
// ask the feed for something while it applies.
func (f *Feed) deliver(ctx context.Context, me *follower, sink feed.Sink, within time.Duration) {
	for ctx.Err() == nil && me.epoch == f.epoch && me.next < f.end() {
		m := f.log[me.next]
		if within != feed.Unproven {
			within = f.now().Sub(m.sent)
		}
		f.mu.Unlock()
		sink.Apply(feed.Message{Subject: m.subject, Data: m.data, Within: within, Stored: m.sent})
		f.mu.Lock()
		me.next++
		f.changed.Broadcast()
	}
}

// end is how much of the log may be delivered.
func (f *Feed) end() int {
	if f.frozen {
		return f.released
	}
	return len(f.log)
}

// wait returns when all followers have what may be delivered.
func (f *Feed) wait() {
	for f.behind() {
		f.changed.Wait()
	}
}

func (f *Feed) behind() bool {
	for each := range f.followers {
		if each.epoch == f.epoch && each.next < f.end() {
			return true
		}
	}
	return false
}

func (f *Feed) now() time.Time {
	if f.Now == nil {
		return time.Now()
	}
	return f.Now()
}
