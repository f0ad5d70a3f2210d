package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/posse-pos/posse/events"
)

// playSilence stops the relay while NATS goes on.
func playSilence(ctx context.Context, x *examination) error {
	all, err := x.signIn(ctx, x.people.newKey(user), x.people.newKey(user))
	if err != nil {
		return err
	}
	sequence, err := x.revoke(ctx, all[1])
	if err != nil {
		return err
	}
	if err := x.conn.Publish(events.SubjectRollCall, nil); err != nil {
		return err
	}
	fault := x.reported(ctx, 0, func(s events.GatewayStatus) bool { return s.Applied >= sequence && !s.Stale },
		fmt.Sprintf("no report says that position %d, a revocation's, is applied", sequence))
	mark := x.heard.mark()
	x.judgeSilence(ctx, all[0])
	if fault == nil {
		fault = x.reported(ctx, mark, func(s events.GatewayStatus) bool { return s.Stale }, "no report says that it is stale")
	}
	x.judge("G26", fault)
	return nil
}

// judgeSilence stops the relay, and starts it again only if the gateway was late to
// notice.
func (x *examination) judgeSilence(ctx context.Context, who someone) {
	grace, _ := x.config.grace()
	for timing := (punctual{bound: x.config.StaleAfter + grace}); ; {
		x.stopRelay()
		took, err := x.stops(ctx, who)
		if err != nil {
			x.judge("G10", err)
			return
		}
		timing.tried(took)
		if timing.done() {
			x.judge("G10", timing.verdict(), timing.note())
			return
		}
		x.startRelay(ctx)
		if err := x.fresh(ctx); err != nil {
			x.judge("G10", err)
			return
		}
	}
}

// playFrozen freezes the line while ticks are on their way, and delivers them when
// they are older than the gateway's bound. Then it has a relay lag by as much.
func playFrozen(ctx context.Context, x *examination) error {
	who, err := x.newcomer(ctx)
	if err != nil {
		return err
	}
	x.line.Freeze()
	if err := pause(ctx, 3*x.config.TickEvery); err != nil {
		return err
	}
	x.stopRelay()
	stopped := time.Now()
	if _, err := x.stops(ctx, who); err != nil {
		return err
	}
	grace, _ := x.config.grace()
	if err := pause(ctx, time.Until(stopped.Add(x.config.StaleAfter+grace+x.config.TickEvery))); err != nil {
		return err
	}
	x.line.Open()
	if a, ok := x.while(ctx, who, 2*watchFor, func(a answer) bool { return !a.admitted() }); !ok {
		return fmt.Errorf("ticks that were on their way for longer than the bound arrive, and a good token is answered %s", a)
	}
	if err := x.lag(ctx, who, x.config.StaleAfter+grace+x.config.TickEvery); err != nil {
		return err
	}
	x.judge("G11", nil)
	return nil
}

// lag sends ticks that were true so long before they are written. No relay runs.
func (x *examination) lag(ctx context.Context, who someone, late time.Duration) error {
	if err := x.listens(ctx); err != nil {
		return err
	}
	state, err := x.log.State(ctx, events.StreamSessions)
	if err != nil {
		return err
	}
	for began := time.Now(); time.Since(began) < 2*watchFor; {
		now := time.Now()
		tick := events.Tick{
			Sequence: state.Last, AsOf: events.TimestampOf(now.Add(-late)), Written: events.TimestampOf(now),
			StreamCreated: events.TimestampOf(state.Created), Relay: "lagging",
		}
		_, last, err := x.log.LastTick(ctx)
		if err != nil {
			return err
		}
		if _, err := x.log.PublishTick(ctx, tick, last); err != nil {
			return err
		}
		if a, ok := x.while(ctx, who, x.config.TickEvery, func(a answer) bool { return !a.admitted() }); !ok {
			return fmt.Errorf("ticks arrive that were true %s before they were written, and a good token is answered %s", late, a)
		}
	}
	return nil
}

// listens waits until the gateway reads what is written to the stream now, although no
// relay runs.
func (x *examination) listens(ctx context.Context) error {
	who, err := x.newcomer(ctx)
	if err != nil {
		return err
	}
	payload, err := json.Marshal(events.Revocation{
		Tenant: who.Tenant, Session: who.Session, Expires: expiry(), Cause: events.CauseTerminate, Sequence: 1,
	})
	if err != nil {
		return err
	}
	if err := x.sendRaw(ctx, payload, int(lifetime.Seconds())); err != nil {
		return err
	}
	if _, err := x.gone(ctx, who, healedWithin); err != nil {
		return fmt.Errorf("the line is back after it was frozen, and no relay runs: %w", err)
	}
	return nil
}

// playPartition cuts the line, revokes somebody meanwhile, and mends it; and again
// while the gateway is late to be stale, or to be fresh.
func playPartition(ctx context.Context, x *examination) error {
	grace, _ := x.config.grace()
	stale, healed := punctual{bound: x.config.StaleAfter + grace}, punctual{bound: healedWithin}
	for {
		err := x.partition(ctx, &stale, &healed)
		if len(stale.took) > 0 && (err != nil || stale.done()) {
			x.judge("G12", stale.verdict(), "503 "+stale.note())
		}
		if err != nil {
			return err
		}
		if stale.done() && healed.done() {
			x.judge("G14", healed.verdict(), "who was revoked meanwhile is refused, and others are admitted, "+healed.note())
			return nil
		}
	}
}

// partition is one cut of the line, from its beginning until all is well again. What
// it breaks but a time it judges itself.
func (x *examination) partition(ctx context.Context, stale, healed *punctual) error {
	all, err := x.signIn(ctx, x.people.newKey(user), x.people.newKey(user))
	if err != nil {
		return err
	}
	good, ended := all[0], all[1]
	x.line.Cut()
	cut := time.Now()
	took, err := x.stale(ctx, good, cut)
	if err != nil {
		x.judge("G12", err)
	}
	stale.tried(took)
	if err := pause(ctx, time.Until(cut.Add(x.config.StaleAfter+watchFor))); err != nil {
		return err
	}
	if a := x.asked(ctx, x.early[1]); !a.refused() {
		x.judge("G13", fmt.Errorf("a session that is known to be revoked is answered %s", a))
	}
	x.judge("G13", nil)
	sequence, err := x.revoke(ctx, ended)
	if err != nil {
		return err
	}
	if err := x.relayed(ctx, sequence); err != nil {
		return err
	}
	x.line.Open()
	opened := time.Now()
	if _, err := x.gone(ctx, ended, healedWithin); err != nil {
		return err
	}
	if err := x.fresh(ctx); err != nil {
		return err
	}
	healed.tried(time.Since(opened))
	return nil
}

// stale watches a gateway go stale, by its policy, and returns how long that took: 0
// for one that is fail_open and admits throughout.
func (x *examination) stale(ctx context.Context, good someone, since time.Time) (time.Duration, error) {
	grace, stops := x.config.grace()
	unavailable := func(a answer) bool { return a.status == http.StatusServiceUnavailable }
	if !stops {
		if a, ok := x.while(ctx, good, x.config.StaleAfter+2*watchFor, answer.admitted); !ok {
			return 0, fmt.Errorf("it is fail_open and stale, and a good token is answered %s", a)
		}
		x.judge("G12", nil, "a good token is admitted throughout")
		return 0, nil
	}
	deadline := since.Add(x.config.StaleAfter + grace + x.config.Patience)
	for {
		a := x.asked(ctx, good)
		took := time.Since(since)
		switch {
		case unavailable(a) && took < grace:
			return took, fmt.Errorf("its grace is %s, and a good token is answered %s after %s", grace, a, round(took))
		case unavailable(a):
			return took, nil
		case !a.admitted():
			return took, fmt.Errorf("a good token is answered %s while the gateway is stale, want 503", a)
		case time.Now().After(deadline):
			return took, fmt.Errorf("a good token is still answered %s after %s, want 503", a, round(took))
		}
		if err := pause(ctx, pollEvery); err != nil {
			return took, err
		}
	}
}

// playUnreadable sends a revocation that does not say of whom, and that leaves the
// stream after some seconds.
func playUnreadable(ctx context.Context, x *examination) error {
	if _, stops := x.config.grace(); !stops {
		return leftOut("it is fail_open, so that its answers do not show whether it is stale")
	}
	who, err := x.newcomer(ctx)
	if err != nil {
		return err
	}
	payload, err := json.Marshal(map[string]any{
		"tenant": x.config.Tenant, "session_of_a_later_version": who.Session, "expires": time.Now().Add(lifetime).Unix(), "sequence": 1,
	})
	if err != nil {
		return err
	}
	grace, _ := x.config.grace()
	if err := x.sendRaw(ctx, payload, unreadableSeconds+int(grace.Seconds())); err != nil {
		return err
	}
	if _, err := x.stops(ctx, who); err != nil {
		return fmt.Errorf("a revocation that names no session is in the stream: %w", err)
	}
	if a, ok := x.while(ctx, who, watchFor, func(a answer) bool { return !a.admitted() }); !ok {
		return fmt.Errorf("a revocation that names no session is in the stream, and a good token is answered %s", a)
	}
	took, err := x.until(ctx, who, rereadWithin, "the unreadable revocation is gone from the stream", answer.admitted)
	x.judge("G3", err, "and fresh again after "+round(took))
	return nil
}

// unreadableSeconds is how long an unreadable revocation stays in the stream.
const unreadableSeconds = 8

func playRestart(ctx context.Context, x *examination) error {
	if err := x.restartNATS(ctx); err != nil {
		return err
	}
	return x.stillFollows(ctx, "G15")
}

func playRenewedStream(ctx context.Context, x *examination) error {
	if err := x.renewStream(ctx); err != nil {
		return err
	}
	return x.stillFollows(ctx, "G16")
}

// stillFollows looks whether somebody who is revoked now is refused, and nobody else.
func (x *examination) stillFollows(ctx context.Context, rule string) error {
	who, err := x.newcomer(ctx)
	if err != nil {
		return err
	}
	sequence, err := x.revoke(ctx, who)
	if err != nil {
		return err
	}
	if err := x.relayed(ctx, sequence); err != nil {
		return err
	}
	took, err := x.gone(ctx, who, healedWithin)
	if err != nil {
		return err
	}
	x.judge(rule, x.fresh(ctx), "a revoked session is refused after "+round(took))
	return nil
}
