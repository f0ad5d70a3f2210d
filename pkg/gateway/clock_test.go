package gateway_test

import (
	"testing"
	"time"

	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
	"github.com/posse-pos/posse/pkg/gateway/tokens"
)

// TestWrongClock is a machine whose clock is five minutes off. The tokens are by
// everybody else's clock.
func TestWrongClock(t *testing.T) {
	t.Parallel()
	for name, off := range map[string]time.Duration{"fast": 5 * time.Minute, "slow": -5 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			truth := gatewaytest.NewClock()
			r := setup(t, func(r *rig, cfg *gateway.Config) {
				r.feed.Now = truth.Now
				r.feed.Freeze()
				r.clock.Advance(off)
				cfg.TouchInterval = time.Hour
			})
			at := func(from, until time.Duration) string {
				now := truth.Now()
				return r.issuer.Sign(map[string]any{
					"iss": gatewaytest.Name, "sub": "anna", "tenant": "shop", "sid": "s1", "type": tokens.TypeAccess,
					"iat": now.Add(from).Unix(), "nbf": now.Add(from).Unix(), "exp": now.Add(until).Unix(),
				})
			}
			for _, token := range []string{at(0, time.Minute), at(-time.Hour, -time.Minute), at(time.Minute, time.Hour)} {
				if got := r.check(token); got != gateway.ReasonNotReady {
					t.Errorf("before it heard what time it is, it says %s", got)
				}
			}
			r.feed.Thaw()
			r.feed.Tick()
			r.ready(t)
			for what, c := range map[string]struct {
				token string
				want  gateway.Reason
			}{
				"one that was just issued, for a minute": {at(0, time.Minute), gateway.ReasonAllowed},
				"one that expired a minute ago":          {at(-time.Hour, -time.Minute), gateway.ReasonExpired},
				"one that is good in a minute":           {at(time.Minute, time.Hour), gateway.ReasonInvalid},
			} {
				if got := r.check(c.token); got != c.want {
					t.Errorf("%s is %s, want %s", what, got, c.want)
				}
			}
			if _, err := r.Admit(at(0, time.Minute), gateway.Origin{}); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the touch", func() bool { return len(r.feed.Touches()) == 1 })
			if got := r.feed.Touches()[0].EventTimestamp.Time(); !got.Equal(truth.Now()) {
				t.Errorf("the activity at %v is reported as at %v", truth.Now(), got)
			}
		})
	}
}
