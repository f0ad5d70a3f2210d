package torture

import (
	"context"
	"encoding/json"
)

const (
	// repeatable is how many of the newest commands callers choose from when they give
	// one again.
	repeatable = 40
	// againAtOnce is how many of ten commands of unknown outcome are given again at once,
	// as a backend does that was not answered.
	againAtOnce = 5
)

// command is a login or an end, which may be given again and then has to change nothing
// and be answered as before.
type command struct {
	op Operation
	do func(ctx context.Context, c *caller, op *Operation) error
}

// said is an answer as text.
func said(answer any) string {
	text, err := json.Marshal(answer)
	if err != nil {
		panic(err) // strings, numbers and times always can be written
	}
	return string(text)
}

// give gives a command for the first time.
func (c *caller) give(ctx context.Context, given command) {
	op := c.carryOut(ctx, given)
	c.mu.Lock()
	c.given = append(c.given, given)
	c.given = c.given[max(0, len(c.given)-repeatable):]
	c.mu.Unlock()
	if op.Outcome == Unknown && c.random.IntN(10) < againAtOnce {
		c.carryOut(ctx, given)
	}
}

// repeat gives a command again that somebody gave before, by way of any recorder.
func (c *caller) repeat(ctx context.Context) {
	c.mu.Lock()
	var given command
	if len(c.given) > 0 {
		given = c.given[c.random.IntN(len(c.given))]
	}
	c.mu.Unlock()
	if given.do != nil {
		c.carryOut(ctx, given)
	}
}

func (c *caller) carryOut(ctx context.Context, given command) Operation {
	op := given.op
	op.Via = c.one(c.in.named("recorder"))
	op = c.ask(ctx, op, func(ctx context.Context, op *Operation) error { return given.do(ctx, c, op) })
	switch op.Outcome {
	case OK:
		c.ack(op.Position)
	case Unknown:
		c.mu.Lock()
		c.doubts = append(c.doubts, op)
		c.mu.Unlock()
	case Refused:
	}
	return op
}

// ack takes note of a position that was acknowledged.
func (t *traffic) ack(position uint64) {
	for {
		before := t.acked.Load()
		if position <= before || t.acked.CompareAndSwap(before, position) {
			return
		}
	}
}

// asking are the devices that ask in the end: the newest, and those whose login or end is
// in doubt.
func (t *traffic) asking() []*device {
	t.mu.Lock()
	defer t.mu.Unlock()
	asks := map[string]*device{}
	for _, d := range t.devices {
		asks[d.session] = d
	}
	for _, op := range t.doubts {
		for _, d := range t.known {
			if d.tenant == op.Tenant && (d.session == op.Session || op.endsMany() && d.user == op.User) {
				asks[d.session] = d
			}
		}
	}
	all := make([]*device, 0, len(asks))
	for _, d := range asks {
		all = append(all, d)
	}
	return all
}
