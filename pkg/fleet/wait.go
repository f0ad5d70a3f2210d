package fleet

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Report says which gateways refuse what was revoked up to a position.
type Report struct {
	Total     int // gateways that concern the tenant
	Confirmed []Confirmation
	Missing   []Missing
	// Slowest is the greatest After among Confirmed.
	Slowest time.Duration
}

// Confirmation is a gateway whose deny-set has reached the position.
type Confirmation struct {
	Gateway, Name string
	// After is the time from the call of Wait until the gateway's report came; 0
	// when it had confirmed before.
	After time.Duration
}

// Missing is a gateway that has not confirmed.
type Missing struct{ Gateway, Name string }

// Wait returns as soon as every gateway that concerns the tenant has applied
// the revocations up to a sequence of POS_SESSIONS, and at the latest when ctx
// ends, with what is known then.
func (t *Tracker) Wait(ctx context.Context, tenant string, position uint64) Report {
	w := t.begin(tenant, position)
	defer t.end(w)
	if t.settled(ctx) {
		t.await(ctx, w)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return w.report()
}

func (t *Tracker) await(ctx context.Context, w *wait) {
	for !t.complete(w) {
		select {
		case <-w.changed:
		case <-ctx.Done():
			return
		case <-t.done:
			return
		}
	}
}

func (t *Tracker) complete(w *wait) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(w.pending) == 0
}

// settled waits until every gateway had time to report once.
func (t *Tracker) settled(ctx context.Context) bool {
	rest := t.config.Settle - t.config.Now().Sub(t.began)
	if rest <= 0 {
		return true
	}
	timer := time.NewTimer(rest)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-t.done:
	}
	return false
}

func (t *Tracker) begin(tenant string, position uint64) *wait {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := &wait{
		tenant:    tenant,
		position:  position,
		began:     t.config.Now(),
		pending:   map[string]Missing{},
		confirmed: map[string]Confirmation{},
		changed:   make(chan struct{}, 1),
	}
	t.forget(w.began)
	t.callRoll(w.began, callAgain)
	for _, g := range t.gateways {
		w.observe(g)
	}
	t.waits[w] = struct{}{}
	return w
}

func (t *Tracker) end(w *wait) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.waits, w)
}

// wait is one call of Wait. The tracker's lock guards it.
type wait struct {
	tenant    string
	position  uint64
	began     time.Time
	pending   map[string]Missing
	confirmed map[string]Confirmation
	changed   chan struct{} // holds one when pending shrank
}

func (w *wait) observe(g *Gateway) {
	if !g.Serves(w.tenant) {
		return
	}
	_, confirmed := w.confirmed[g.Gateway]
	switch {
	case g.Applied < w.position:
		// A gateway that was restarted under its id has to confirm again.
		delete(w.confirmed, g.Gateway)
		w.pending[g.Gateway] = Missing{g.Gateway, g.Name}
	case !confirmed:
		delete(w.pending, g.Gateway)
		w.confirmed[g.Gateway] = Confirmation{g.Gateway, g.Name, max(0, g.Seen.Sub(w.began))}
		w.notify()
	}
}

func (w *wait) forget(gateway string) {
	delete(w.confirmed, gateway)
	delete(w.pending, gateway)
	w.notify()
}

func (w *wait) notify() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

func (w *wait) report() Report {
	r := Report{Total: len(w.pending) + len(w.confirmed)}
	for _, c := range w.confirmed {
		r.Confirmed = append(r.Confirmed, c)
		r.Slowest = max(r.Slowest, c.After)
	}
	for _, m := range w.pending {
		r.Missing = append(r.Missing, m)
	}
	slices.SortFunc(r.Confirmed, func(a, b Confirmation) int {
		return cmp.Or(cmp.Compare(a.After, b.After), cmp.Compare(a.Gateway, b.Gateway))
	})
	slices.SortFunc(r.Missing, func(a, b Missing) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Gateway, b.Gateway))
	})
	return r
}
