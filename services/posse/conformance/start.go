package conformance

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	earlyCount = 100
	// watchFor is how long something is watched that must not happen.
	watchFor = 1500 * time.Millisecond
)

// begin starts the gateway in a world that is not ready for it, and brings one thing
// after the other in order until it admits somebody.
func (x *examination) begin(ctx context.Context, cancel context.CancelCauseFunc) error {
	good, err := x.populate(ctx)
	if err != nil {
		return err
	}
	if err := x.config.Start(ctx, cancel, x.environment()); err != nil {
		return err
	}
	if err := x.heardOf(ctx, good); err != nil {
		return err
	}
	x.beforeLoaded(ctx, good)
	x.line.Open()
	x.beforeTick(ctx, good)
	x.startRelay(ctx)
	_, err = x.until(ctx, good, x.config.StaleAfter, "want a good token admitted once everything is there", answer.admitted)
	if err != nil {
		x.judge("G4", err)
		return fmt.Errorf("the gateway never admits anybody, so that there is nothing to examine: %w", err)
	}
	// At the first moment of admitting somebody it has to know all that was revoked.
	for _, who := range x.early {
		if a := x.asked(ctx, who); !a.refused() {
			x.judge("G4", fmt.Errorf("somebody is admitted, and a session that was revoked before the start is answered %s", a))
		}
	}
	x.judge("G4", nil)
	x.judge("G5", nil)
	return context.Cause(ctx)
}

// populate fills the stream with what was revoked before the gateway starts, and
// an old tick.
func (x *examination) populate(ctx context.Context) (good someone, err error) {
	if good, err = x.newcomer(ctx); err != nil {
		return good, err
	}
	if x.early, err = x.crowd(ctx, "early", earlyCount); err != nil {
		return good, err
	}
	sequence, err := x.revoke(ctx, x.early...)
	if err != nil {
		return good, err
	}
	x.startRelay(ctx)
	defer x.stopRelay()
	return good, x.relayed(ctx, sequence)
}

// heardOf waits until the gateway answers, or wants to talk to NATS.
func (x *examination) heardOf(ctx context.Context, good someone) error {
	deadline := time.Now().Add(x.config.StartWithin)
	for time.Now().Before(deadline) {
		if tried, _ := x.line.Connections(); tried > 0 || x.asked(ctx, good).status != 0 {
			return nil
		}
		if err := pause(ctx, pollEvery); err != nil {
			return err
		}
	}
	return fmt.Errorf("no gateway answers at %s, and none connects to NATS, within %s", x.config.URL, x.config.StartWithin)
}

// beforeLoaded watches the gateway while it can know nothing.
func (x *examination) beforeLoaded(ctx context.Context, good someone) {
	length := min(watchFor, x.config.StaleAfter/2) // a fail_open gateway may open later
	for _, who := range []someone{x.early[len(x.early)-1], good} {
		a, ok := x.while(ctx, who, length/2, func(a answer) bool { return !a.admitted() })
		if !ok {
			x.judge("G4", fmt.Errorf("NATS is away and the stream was never read, and the answer is %s", a))
		}
	}
}

// beforeTick watches the gateway while it has the stream and no relay runs.
func (x *examination) beforeTick(ctx context.Context, good someone) {
	if _, stops := x.config.grace(); !stops {
		x.judge("G5", leftOut("it is fail_open, and opens when it has waited long enough"))
		return
	}
	if err := x.connected(ctx); err != nil {
		return // what it never connects to it never admits by either
	}
	if a, ok := x.while(ctx, good, watchFor, func(a answer) bool { return !a.admitted() }); !ok {
		x.judge("G5", fmt.Errorf("no relay runs, the last tick is an old one, and the answer is %s", a))
	}
}

func (x *examination) connected(ctx context.Context) error {
	for deadline := time.Now().Add(x.config.Patience); time.Now().Before(deadline); {
		if _, made := x.line.Connections(); made > 0 {
			return nil
		}
		if err := pause(ctx, pollEvery); err != nil {
			return err
		}
	}
	return errors.New("conformance: the gateway does not connect to NATS")
}
