package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/gateway"
)

// The bounds that the rules give.
const (
	revokedWithin = time.Second
	healedWithin  = 5 * time.Second
	rereadWithin  = time.Minute
)

const (
	floodWidth = 16   // questions at a time
	floodBatch = 1000 // what one command ends at most
	floodLeast = 100
)

// scene is something that happens to the gateway.
type scene struct {
	rules []string // that it judges; an error of play is about those it did not get to
	play  func(ctx context.Context, x *examination) error
	// anyway means that it is played with a gateway that admits nobody any more, too.
	anyway bool
}

// scenes are in this order because a gateway that breaks the last ones may be of
// no use afterwards.
var scenes = []scene{
	{rules: []string{"G2"}, play: playFields},
	{rules: []string{"G6"}, play: playRevocation},
	{rules: []string{"G7"}, play: playOthers},
	{rules: []string{"G18"}, play: playTokens},
	{rules: []string{"G19"}, play: playTenant},
	{rules: []string{"G23"}, play: playIdentity},
	{rules: []string{"G25"}, play: playTouches},
	{rules: []string{"G9"}, play: playFlood},
	{rules: []string{"G10", "G26"}, play: playSilence},
	{rules: []string{"G11"}, play: playFrozen},
	{rules: []string{"G12", "G13", "G14"}, play: playPartition},
	{rules: []string{"G20"}, play: playKeys},
	{rules: []string{"G3"}, play: playUnreadable},
	{rules: []string{"G15"}, play: playRestart},
	{rules: []string{"G8"}, play: playRemembered},
	{rules: []string{"G16"}, play: playRenewedStream},
	{rules: []string{"G21", "G22", "G27"}, play: playEnd, anyway: true},
}

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

func playRevocation(ctx context.Context, x *examination) error {
	var slowest string
	for range 5 {
		who, err := x.newcomer(ctx)
		if err != nil {
			return err
		}
		if _, err := x.until(ctx, who, 0, "want a good token admitted", answer.admitted); err != nil {
			return err
		}
		sequence, err := x.revoke(ctx, who)
		if err != nil {
			return err
		}
		if err := x.relayed(ctx, sequence); err != nil {
			return err
		}
		if slowest, err = x.gone(ctx, who, revokedWithin); err != nil {
			return err
		}
	}
	x.judge("G6", nil, "the last of five "+slowest+" of its publication")
	return nil
}

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

func playTokens(ctx context.Context, x *examination) error {
	bad, err := x.people.badTokens()
	if err != nil {
		return err
	}
	requests := map[string]string{"no token": "", "another scheme": "Basic YTpi", "an empty token": "Bearer "}
	for what, jwt := range bad {
		requests[what] = "Bearer " + jwt
	}
	var wrong []string
	for what, authorization := range requests {
		reason := map[string]gateway.Reason{"no token": gateway.ReasonMissing, "expired": gateway.ReasonExpired}[what]
		a := x.settled(ctx, func(ctx context.Context) answer { return x.seen(x.ask(ctx, authorization, nil), reason) })
		if !a.refused() {
			wrong = append(wrong, fmt.Sprintf("%s is answered %s", what, a))
		}
	}
	if wrong != nil {
		return fmt.Errorf("want 401: %s", strings.Join(wrong, "; "))
	}
	x.judge("G18", nil, fmt.Sprintf("%d bad ones", len(requests)))
	return nil
}

func playTenant(ctx context.Context, x *examination) error {
	if x.config.leavesOut(PartTenant) {
		return leftOut("it serves all tenants")
	}
	key := x.people.newKey(user)
	key.Tenant = foreignTenant
	all, err := x.signIn(ctx, key)
	if err != nil {
		return err
	}
	if a := x.decided(ctx, all[0]); !a.refused() {
		return fmt.Errorf("a good token of another tenant is answered %s, want 401", a)
	}
	x.judge("G19", nil)
	return nil
}

func playIdentity(ctx context.Context, x *examination) error {
	if x.config.leavesOut(PartIdentity) {
		return leftOut("it does not say who is asking")
	}
	who, err := x.newcomer(ctx)
	if err != nil {
		return err
	}
	forged := http.Header{}
	for _, name := range identityHeaders {
		forged.Set(name, "somebody-else")
	}
	a := x.settled(ctx, func(ctx context.Context) answer { return x.ask(ctx, "Bearer "+who.token, forged) })
	if !a.admitted() {
		return fmt.Errorf("a good token is answered %s", a)
	}
	if err := identityFault(a, who); err != nil {
		return err
	}
	x.judge("G23", nil)
	return nil
}

func playTouches(ctx context.Context, x *examination) error {
	if x.config.leavesOut(PartTouches) {
		return leftOut("it does not report activity")
	}
	all, err := x.signIn(ctx, x.people.newKey(user), x.people.newKey(user))
	if err != nil {
		return err
	}
	busy, refused := all[0], x.early[0]
	for range 20 {
		if a := x.decided(ctx, busy); !a.admitted() {
			return fmt.Errorf("a good token is answered %s", a)
		}
		x.asked(ctx, refused)
	}
	if a := x.decided(ctx, all[1]); !a.admitted() {
		return fmt.Errorf("a good token is answered %s", a)
	}
	// When the other's touch is there, so are those that came before it.
	for _, who := range all {
		if err := x.touched(ctx, who); err != nil {
			return err
		}
	}
	if n := x.heard.touchesOf(busy.Key); n > 2 {
		return fmt.Errorf("20 requests at once make %d touches: want one at once, and one when the interval is over", n)
	}
	if n := x.heard.touchesOf(refused.Key); n > 0 {
		return fmt.Errorf("a session that was refused was touched %d times", n)
	}
	x.judge("G25", nil)
	return nil
}

// touched waits until the log has a session's activity.
func (x *examination) touched(ctx context.Context, who someone) error {
	for deadline := time.Now().Add(x.config.Patience); ; {
		recorded, err := x.log.LastTouch(ctx, who.Key)
		if touch, ok := recorded.Event.(events.Touched); err == nil && ok {
			if age := time.Since(touch.EventTimestamp.Time()).Abs(); age > time.Hour {
				return fmt.Errorf("a touch is of %s, not of the request's time", touch.EventTimestamp.Time())
			}
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no touch of the session in %s: %w", events.StreamTouches, err)
		}
		if err := pause(ctx, pollEvery); err != nil {
			return err
		}
	}
}

// crowd signs in many, of users with up to a thousand sessions each.
func (x *examination) crowd(ctx context.Context, name string, size int) ([]someone, error) {
	var all []someone
	for len(all) < size {
		var keys []events.Key
		for range min(floodBatch, size-len(all)) {
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
	note, err := x.gone(ctx, ended[len(ended)-1], revokedWithin)
	if err != nil {
		return fmt.Errorf("the last of %d: %w", len(ended), err)
	}
	if n := x.count(ctx, ended, answer.refused); n != len(ended) {
		return fmt.Errorf("%d of %d revoked sessions are not refused", len(ended)-n, len(ended))
	}
	if n := x.count(ctx, kept, answer.admitted); n != len(kept) {
		return fmt.Errorf("%d of %d sessions that were not revoked are not admitted", len(kept)-n, len(kept))
	}
	x.judge("G9", nil, fmt.Sprintf("%d were published in %s, and the last refused %s", len(ended), published, note))
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
	fault := x.reported(ctx, 0, func(s events.GatewayStatus) bool { return s.Applied >= sequence && !s.Stale },
		fmt.Sprintf("no report says that position %d, a revocation's, is applied", sequence))
	mark := x.heard.mark()
	x.stopRelay()
	x.judge("G10", x.stops(ctx, all[0]))
	if fault == nil {
		fault = x.reported(ctx, mark, func(s events.GatewayStatus) bool { return s.Stale }, "no report says that it is stale")
	}
	x.judge("G26", fault)
	return nil
}

// reported waits for a report.
func (x *examination) reported(ctx context.Context, mark int, wanted func(events.GatewayStatus) bool, otherwise string) error {
	if x.config.leavesOut(PartReports) {
		return leftOut("it does not report itself")
	}
	for deadline := time.Now().Add(x.config.StaleAfter + x.config.Patience); time.Now().Before(deadline); {
		if ok, err := x.heard.said(mark, wanted); ok || err != nil {
			return err
		}
		if err := pause(ctx, pollEvery); err != nil {
			return err
		}
	}
	return errors.New(otherwise)
}

// playFrozen freezes the line while ticks are on their way, and delivers them when
// they are older than the gateway's bound.
func playFrozen(ctx context.Context, x *examination) error {
	who, err := x.newcomer(ctx)
	if err != nil {
		return err
	}
	x.line.freeze()
	if err := pause(ctx, 3*x.config.TickEvery); err != nil {
		return err
	}
	x.stopRelay()
	stopped := time.Now()
	if err := x.stops(ctx, who); err != nil {
		return err
	}
	grace, _ := x.config.grace()
	if err := pause(ctx, time.Until(stopped.Add(x.config.StaleAfter+grace+x.config.TickEvery))); err != nil {
		return err
	}
	x.line.open()
	if a, ok := x.while(ctx, who, 2*watchFor, func(a answer) bool { return !a.admitted() }); !ok {
		return fmt.Errorf("ticks that were on their way for longer than the bound arrive, and a good token is answered %s", a)
	}
	x.judge("G11", nil)
	return nil
}

// playPartition cuts the line, revokes somebody meanwhile, and mends it.
func playPartition(ctx context.Context, x *examination) error {
	all, err := x.signIn(ctx, x.people.newKey(user), x.people.newKey(user))
	if err != nil {
		return err
	}
	good, ended := all[0], all[1]
	x.line.cut()
	cut := time.Now()
	note, err := x.stale(ctx, good, cut)
	x.judge("G12", err, note)
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
	x.line.open()
	refused, err := x.gone(ctx, ended, healedWithin)
	if err != nil {
		return err
	}
	x.judge("G14", x.fresh(ctx), "who was revoked meanwhile is refused "+refused)
	return nil
}

// stale watches a gateway go stale, by its policy.
func (x *examination) stale(ctx context.Context, good someone, since time.Time) (note string, err error) {
	grace, stops := x.config.grace()
	unavailable := func(a answer) bool { return a.status == http.StatusServiceUnavailable }
	if !stops {
		if a, ok := x.while(ctx, good, x.config.StaleAfter+2*watchFor, answer.admitted); !ok {
			return "", fmt.Errorf("it is fail_open and stale, and a good token is answered %s", a)
		}
		return "a good token is admitted throughout", nil
	}
	bound := x.config.StaleAfter + grace
	deadline := since.Add(bound + x.config.Patience)
	for {
		a := x.asked(ctx, good)
		late := time.Since(since)
		switch {
		case unavailable(a) && late < grace:
			return "", fmt.Errorf("its grace is %s, and a good token is answered %s after %s", grace, a, round(late))
		case unavailable(a):
			return "503 after " + round(late), nil
		case !a.admitted():
			return "", fmt.Errorf("a good token is answered %s while the gateway is stale, want 503", a)
		case time.Now().After(deadline):
			return "", fmt.Errorf("a good token is still answered %s after %s, want 503", a, round(late))
		}
		if err := pause(ctx, pollEvery); err != nil {
			return "", err
		}
	}
}

// playKeys signs with a key that is new, while the issuer does not answer.
func playKeys(ctx context.Context, x *examination) error {
	old, err := x.newcomer(ctx)
	if err != nil {
		return err
	}
	x.web.showKeys(false)
	// A gateway may have asked for the keys a moment ago, and asks again no sooner
	// than a second later.
	if err := pause(ctx, watchFor); err != nil {
		return err
	}
	if _, err := x.people.keyring.Rotate(time.Now()); err != nil {
		return err
	}
	who, err := x.newcomer(ctx)
	if err != nil {
		return err
	}
	if a := x.asked(ctx, who); a.status != http.StatusServiceUnavailable {
		return fmt.Errorf("a token's key is not known and the issuer does not answer: the answer is %s, want 503", a)
	}
	if a := x.decided(ctx, old); !a.admitted() {
		return fmt.Errorf("the issuer does not answer, and a token whose key is known is answered %s", a)
	}
	x.web.showKeys(true)
	took, err := x.until(ctx, who, healedWithin, "want the new key's token admitted", answer.admitted)
	x.judge("G20", err, "the new key is known after "+round(took))
	return nil
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
	if err := x.sendRaw(ctx, payload, unreadableSeconds); err != nil {
		return err
	}
	if err := x.stops(ctx, who); err != nil {
		return fmt.Errorf("a revocation that names no session is in the stream: %w", err)
	}
	took, err := x.until(ctx, who, rereadWithin, "the unreadable revocation is gone from the stream", answer.admitted)
	x.judge("G3", err, "and fresh again after "+round(took))
	return nil
}

// unreadableSeconds is how long an unreadable revocation stays in the stream.
const unreadableSeconds = 5

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
	note, err := x.gone(ctx, who, healedWithin)
	if err != nil {
		return err
	}
	x.judge(rule, x.fresh(ctx), "a revoked session is refused "+note)
	return nil
}

// playRemembered asks for those who were revoked before anything else happened.
func playRemembered(ctx context.Context, x *examination) error {
	if n := x.count(ctx, x.early, answer.refused); n != len(x.early) {
		return fmt.Errorf("%d of %d sessions that were revoked before the start are not refused any more", len(x.early)-n, len(x.early))
	}
	x.judge("G8", nil, "their expiry lies beyond this test")
	return nil
}

// playEnd judges what only the whole examination shows.
func playEnd(_ context.Context, x *examination) error {
	x.judge("G21", x.unauthorizedBad, fmt.Sprintf("%d answers", x.unauthorized))
	if x.unavailable == 0 {
		x.judge("G22", leftOut("no 503 was seen"))
	}
	x.judge("G22", x.unavailableBad, fmt.Sprintf("%d answers", x.unavailable))
	return x.overstepped()
}

// overstepped looks at what the gateway wanted to do at NATS and may not. A client
// that asks for more than it needs goes on without; one that wants to write what
// posse writes, or to hear it, is no gateway.
func (x *examination) overstepped() error {
	var harmless []string
	for _, what := range x.denied.all() {
		if strings.Contains(what, " $JS.API.CONSUMER.") || strings.HasSuffix(what, " $JS.API.INFO") {
			harmless = append(harmless, what)
			continue
		}
		return fmt.Errorf("it tried to %s", what)
	}
	if harmless != nil {
		x.judge("G27", nil, "it also tried, in vain, to "+strings.Join(harmless, ", "))
	}
	x.judge("G27", nil)
	return nil
}
