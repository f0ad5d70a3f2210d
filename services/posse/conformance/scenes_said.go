package conformance

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/posse-pos/posse/events"
)

func playTouches(ctx context.Context, x *examination) error {
	if x.config.leavesOut(PartTouches) {
		return leftOut("it does not report activity")
	}
	all, err := x.signIn(ctx, x.people.newKey(user), x.people.newKey(user))
	if err != nil {
		return err
	}
	busy, refused := all[0], x.early[0]
	before := x.heard.touchesOf(refused.Key)
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
	if n := x.heard.touchesOf(refused.Key) - before; n > 0 {
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
		if !asksInVain.MatchString(what) {
			return fmt.Errorf("it tried to %s", what)
		}
		if what = asksInVain.FindString(what); !slices.Contains(harmless, what) {
			harmless = append(harmless, what)
		}
	}
	if harmless != nil {
		x.judge("G27", nil, "it also tried, in vain, to "+strings.Join(harmless, ", "))
	}
	x.judge("G27", nil)
	return nil
}

// asksInVain is what a client of NATS may try without harm: to look at the account,
// and at consumers of the one stream that it reads. Their names say nothing.
var asksInVain = regexp.MustCompile(`^publish to \$JS\.API\.(INFO$|CONSUMER\.[A-Z.]+\.POS_REVOCATIONS\b)`)
