package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posse-pos/posse/events"
)

// playFields sends a revocation with fields and a cause that nobody knows yet.
func playFields(ctx context.Context, x *examination) error {
	who, err := x.newcomer(ctx)
	if err != nil {
		return err
	}
	payload, err := json.Marshal(map[string]any{
		"tenant": who.Tenant, "session": who.Session, "expires": json.Number(fmt.Sprintf("%d.5", time.Now().Add(lifetime).Unix())),
		"cause": "of_a_later_version", "sequence": 1, "previous": 0, "later": map[string]any{"session": []int{1}},
	})
	if err != nil {
		return err
	}
	if err := x.sendRaw(ctx, payload, int(lifetime.Seconds())); err != nil {
		return err
	}
	if _, err := x.gone(ctx, who, revokedWithin); err != nil {
		return fmt.Errorf("a field, a cause and half a second that are new: %w", err)
	}
	x.judge("G2", x.fresh(ctx))
	return nil
}

// playRevocation revokes one person after the other. How long the first takes does not
// count: a gateway that looks every ten seconds may look just then. The next is revoked
// when it has just looked.
func playRevocation(ctx context.Context, x *examination) error {
	timing := punctual{bound: revokedWithin}
	for i := range 1 + revokedTimes {
		who, err := x.newcomer(ctx)
		if err != nil {
			return err
		}
		if _, err := x.until(ctx, who, 0, "want a good token admitted", answer.admitted); err != nil {
			return err
		}
		if _, err := x.revoke(ctx, who); err != nil {
			return err
		}
		took, err := x.gone(ctx, who, revokedWithin)
		if err != nil {
			return err
		}
		if i > 0 {
			timing.tried(took)
		}
	}
	x.judge("G6", timing.verdict(), timing.note())
	return nil
}

// revokedTimes is how many revocations are timed.
const revokedTimes = 4

// playOthers revokes a session whose user has another one, and whose id another
// tenant has too.
func playOthers(ctx context.Context, x *examination) error {
	all, err := x.signIn(ctx, x.people.newKey(user), x.people.newKey(user), x.people.newKey(user))
	if err != nil {
		return err
	}
	foreign := all[1]
	foreign.Tenant = foreignTenant
	if _, err := x.revoke(ctx, foreign); err != nil {
		return err
	}
	if _, err := x.revoke(ctx, all[0]); err != nil {
		return err
	}
	// When this one is refused, everything before it was applied.
	if _, err := x.gone(ctx, all[0], revokedWithin); err != nil {
		return err
	}
	for i, what := range []string{
		"a session with the id of one that another tenant revoked", "another session of a user who was signed out",
	} {
		if a := x.decided(ctx, all[1+i]); !a.admitted() {
			return fmt.Errorf("%s is answered %s", what, a)
		}
	}
	x.judge("G7", nil)
	return nil
}

// crowd signs in many, of users with up to a thousand sessions each.
func (x *examination) crowd(ctx context.Context, name string, size int) ([]someone, error) {
	var all []someone
	for len(all) < size {
		n := min(floodBatch, size-len(all))
		keys := make([]events.Key, 0, n)
		for range n {
			keys = append(keys, x.people.newKey(fmt.Sprint(name, "-", len(all)/floodBatch)))
		}
		some, err := x.signIn(ctx, keys...)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// playFlood ends thousands of sessions at once, while one of them all is kept.
func playFlood(ctx context.Context, x *examination) error {
	ended, err1 := x.crowd(ctx, "flood", x.config.Flood)
	kept, err2 := x.crowd(ctx, "kept", max(x.config.Flood/20, floodLeast))
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	began := time.Now()
	var sequence uint64
	for first := 0; first < len(ended); first += floodBatch {
		var err error
		if sequence, err = x.revoke(ctx, ended[first:min(first+floodBatch, len(ended))]...); err != nil {
			return err
		}
	}
	if err := x.relayed(ctx, sequence); err != nil {
		return err
	}
	published := round(time.Since(began))
	took, err := x.gone(ctx, ended[len(ended)-1], revokedWithin)
	if err != nil {
		return fmt.Errorf("the last of %d: %w", len(ended), err)
	}
	if n := x.count(ctx, ended, answer.refused); n != len(ended) {
		return fmt.Errorf("%d of %d revoked sessions are not refused", len(ended)-n, len(ended))
	}
	if err := x.fresh(ctx); err != nil {
		return err
	}
	if n := x.count(ctx, kept, answer.admitted); n != len(kept) {
		return fmt.Errorf("%d of %d sessions that were not revoked are not admitted", len(kept)-n, len(kept))
	}
	x.judge("G9", nil, fmt.Sprintf("%d were published in %s, and the last refused after %s", len(ended), published, round(took)))
	return nil
}

// count asks for all at once, and returns how many answers are as wanted.
func (x *examination) count(ctx context.Context, all []someone, wanted func(answer) bool) int {
	var n atomic.Int64
	var asking sync.WaitGroup
	next := make(chan someone)
	for range floodWidth {
		asking.Go(func() {
			for who := range next {
				if wanted(x.settled(ctx, func(ctx context.Context) answer { return x.ask(ctx, "Bearer "+who.token, nil) })) {
					n.Add(1)
				}
			}
		})
	}
	for _, who := range all {
		next <- who
	}
	close(next)
	asking.Wait()
	return int(n.Load())
}

// playRemembered asks for those who were revoked before anything else happened.
func playRemembered(ctx context.Context, x *examination) error {
	if n := x.count(ctx, x.early, answer.refused); n != len(x.early) {
		return fmt.Errorf("%d of %d sessions that were revoked before the start are not refused any more", len(x.early)-n, len(x.early))
	}
	x.judge("G8", nil, "their expiry lies beyond this test")
	return nil
}
