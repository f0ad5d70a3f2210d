package gateway_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/tokens"
)

func TestNewNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := gateway.New(t.Context(), gateway.Config{ID: strings.Repeat("x", 200)})
	if !errors.Is(err, gateway.ErrConfig) {
		t.Fatalf("New = %v, want ErrConfig", err)
	}
	for _, want := range []string{"fail_closed", "fail_open", "grace=", "Verifier", "NATS.URL", "gateway id"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s: %v", want, err)
		}
	}
}

func TestStalePolicyIsReadBack(t *testing.T) {
	t.Parallel()
	for _, policy := range []gateway.StalePolicy{gateway.FailClosed, gateway.FailOpen, gateway.Grace(15 * time.Minute)} {
		if got, err := gateway.ParseStalePolicy(policy.String()); err != nil || got != policy {
			t.Errorf("ParseStalePolicy(%q) = %v, %v", policy, got, err)
		}
	}
	for _, s := range []string{"", "open", "grace", "grace=", "grace=-1s", "grace=0s"} {
		if _, err := gateway.ParseStalePolicy(s); !errors.Is(err, gateway.ErrConfig) {
			t.Errorf("ParseStalePolicy(%q) = %v, want ErrConfig", s, err)
		}
	}
}

func TestRevokedIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	r := setup(t, nil).ready(t)
	token := r.issuer.Token("shop", "anna", "s1", "cashier")
	session, err := r.Check(token)
	if err != nil {
		t.Fatal(err)
	}
	if session.Tenant != "shop" || session.User != "anna" || session.ID != "s1" || len(session.Roles) != 1 {
		t.Errorf("Check = %+v", session)
	}
	r.feed.Revoke("other", "s1")
	if got := r.check(token); got != gateway.ReasonAllowed {
		t.Errorf("after the revocation of another tenant's session of that id: %s", got)
	}
	r.feed.Revoke("shop", "s1")
	_, err = r.Check(token)
	if !errors.Is(err, gateway.ErrRevoked) || reason(err) != gateway.ReasonRevoked {
		t.Errorf("Check after Revoke = %v", err)
	}
	if fresh := r.issuer.Token("shop", "anna", "s1"); r.check(fresh) != gateway.ReasonRevoked {
		t.Error("a new token of the revoked session is admitted")
	}
	if !r.Revoked("shop", "s1") || r.Revoked("shop", "s2") {
		t.Error("Revoked does not say what Check does")
	}
}

func TestDenials(t *testing.T) {
	t.Parallel()
	r := setup(t, func(_ *rig, cfg *gateway.Config) { cfg.Tenant = "shop" }).ready(t)
	now := r.clock.Now()
	claims := func(change func(map[string]any)) string {
		c := map[string]any{
			"iss": "https://gatewaytest.invalid", "sub": "anna", "tenant": "shop", "sid": "s1", "type": "access",
			"exp": now.Add(time.Minute).Unix(),
		}
		change(c)
		return r.issuer.Sign(c)
	}
	for name, test := range map[string]struct {
		token  string
		reason gateway.Reason
		cause  error
		status int
	}{
		"no token":       {"", gateway.ReasonMissing, gateway.ErrMissing, 401},
		"no JWT":         {"secret", gateway.ReasonInvalid, tokens.ErrMalformed, 401},
		"foreign tenant": {r.issuer.Token("other", "anna", "s1"), gateway.ReasonInvalid, gateway.ErrTenant, 401},
		"expired": {
			claims(func(c map[string]any) { c["exp"] = now.Add(-time.Hour).Unix() }),
			gateway.ReasonExpired, tokens.ErrExpired, 401,
		},
		"refresh token": {
			claims(func(c map[string]any) { c["type"] = "refresh" }),
			gateway.ReasonInvalid, tokens.ErrType, 401,
		},
		"no session": {
			claims(func(c map[string]any) { delete(c, "sid") }),
			gateway.ReasonInvalid, tokens.ErrClaims, 401,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := r.Check(test.token)
			var denial *gateway.Denial
			if !errors.As(err, &denial) || denial.Reason != test.reason || denial.Status != test.status || !errors.Is(err, test.cause) {
				t.Errorf("Check = %#v (%v), want %s because of %v", denial, err, test.reason, test.cause)
			}
			if test.token != "" && strings.Contains(err.Error(), test.token) {
				t.Error("the error contains the token")
			}
		})
	}
}

func TestVerifiedTokenExpires(t *testing.T) {
	t.Parallel()
	r := setup(t, nil).ready(t)
	token := r.issuer.Token("shop", "anna", "s1")
	for range 2 {
		if got := r.check(token); got != gateway.ReasonAllowed {
			t.Fatalf("Check = %s", got)
		}
	}
	r.clock.Advance(5*time.Minute + tokens.DefaultLeeway)
	r.feed.Tick()
	if got := r.check(token); got != gateway.ReasonExpired {
		t.Errorf("Check of a token that was seen before and has expired = %s", got)
	}
}

// TestPolicies is what each policy answers as time passes without a tick.
func TestPolicies(t *testing.T) {
	t.Parallel()
	const allowed, stale, revoked = gateway.ReasonAllowed, gateway.ReasonStale, gateway.ReasonRevoked
	for name, test := range map[string]struct {
		policy gateway.StalePolicy
		after  map[time.Duration]gateway.Reason
	}{
		"fail closed": {gateway.FailClosed, map[time.Duration]gateway.Reason{
			0: allowed, 5 * time.Second: allowed, 5001 * time.Millisecond: stale, time.Minute: stale,
		}},
		"fail open": {gateway.FailOpen, map[time.Duration]gateway.Reason{
			0: allowed, 6 * time.Second: allowed, time.Minute: allowed,
		}},
		"grace": {gateway.Grace(10 * time.Second), map[time.Duration]gateway.Reason{
			0: allowed, 6 * time.Second: allowed, 14 * time.Second: allowed, 15 * time.Second: stale, time.Minute: stale,
		}},
	} {
		for after, want := range test.after {
			t.Run(name+" after "+after.String(), func(t *testing.T) {
				t.Parallel()
				r := setup(t, func(_ *rig, cfg *gateway.Config) { cfg.Stale = test.policy }).ready(t)
				good, bad := r.issuer.Token("shop", "anna", "s1"), r.issuer.Token("shop", "anna", "s2")
				r.feed.Revoke("shop", "s2")
				r.clock.Advance(after)
				if got := r.check(good); got != want {
					t.Errorf("a good session: %s, want %s", got, want)
				}
				if got := r.check(bad); got != revoked {
					t.Errorf("a revoked session: %s", got)
				}
				if ready := r.Ready() == nil; ready != (want == allowed) {
					t.Errorf("Ready = %v", r.Ready())
				}
				r.feed.Tick()
				if got := r.check(good); got != allowed {
					t.Errorf("after a tick: %s", got)
				}
			})
		}
	}
}

func TestNotReadyBeforeTheLoad(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		policy      gateway.StalePolicy
		atOnce, end gateway.Reason
	}{
		"fail closed": {gateway.FailClosed, gateway.ReasonNotReady, gateway.ReasonNotReady},
		"grace":       {gateway.Grace(time.Hour), gateway.ReasonNotReady, gateway.ReasonNotReady},
		"fail open":   {gateway.FailOpen, gateway.ReasonNotReady, gateway.ReasonAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := setup(t, func(r *rig, cfg *gateway.Config) {
				r.feed.Freeze()
				cfg.Stale = test.policy
			})
			token := r.issuer.Token("shop", "anna", "s1")
			if got := r.check(token); got != test.atOnce {
				t.Errorf("at once: %s, want %s", got, test.atOnce)
			}
			r.clock.Advance(6 * time.Second)
			if got := r.check(token); got != test.end {
				t.Errorf("six seconds later: %s, want %s", got, test.end)
			}
		})
	}
}

func TestLoadsWhatWasRevokedBefore(t *testing.T) {
	t.Parallel()
	r := setup(t, func(r *rig, _ *gateway.Config) {
		for _, session := range []string{"s1", "s2", "s3"} {
			r.feed.Revoke("shop", session)
		}
	}).ready(t)
	if got := r.check(r.issuer.Token("shop", "anna", "s2")); got != gateway.ReasonRevoked {
		t.Errorf("Check = %s", got)
	}
	if s := r.Stats(); s.Entries != 3 || s.Applied != 3 {
		t.Errorf("Stats = %+v", s)
	}
}

// TestFlushedTicksAreOld is a line that freezes and delivers everything late.
func TestFlushedTicksAreOld(t *testing.T) {
	t.Parallel()
	r := setup(t, nil).ready(t)
	token := r.issuer.Token("shop", "anna", "s1")
	r.feed.Freeze()
	r.clock.Advance(time.Second)
	r.feed.Tick()
	r.clock.Advance(20 * time.Second)
	r.feed.Thaw()
	if got := r.check(token); got != gateway.ReasonStale {
		t.Errorf("after a tick that is 20 seconds late: %s", got)
	}
	r.feed.Tick()
	if got := r.check(token); got != gateway.ReasonAllowed {
		t.Errorf("after a tick that is not: %s", got)
	}
}

func TestUnreadableRevocationMakesStale(t *testing.T) {
	t.Parallel()
	r := setup(t, nil).ready(t)
	token := r.issuer.Token("shop", "anna", "s1")
	r.feed.SendUnreadable("shop")
	r.feed.Tick()
	if got := r.check(token); got != gateway.ReasonStale {
		t.Errorf("after an unreadable revocation: %s", got)
	}
	if err := r.Ready(); !errors.Is(err, gateway.ErrStale) || !errors.Is(err, events.ErrMalformed) {
		t.Errorf("Ready = %v, want it to name the cause", err)
	}
	r.feed.Revoke("shop", "s1")
	if got := r.check(token); got != gateway.ReasonRevoked {
		t.Errorf("revocations after it are not applied: %s", got)
	}
	r.feed.Recreate()
	eventually(t, "ready after the stream was read without it", func() bool { return r.Ready() == nil })
}

func TestRecreatedStreamIsLoadedAnew(t *testing.T) {
	t.Parallel()
	r := setup(t, nil).ready(t)
	token := r.issuer.Token("shop", "anna", "s1")
	r.feed.Revoke("shop", "s1")
	r.feed.Recreate()
	eventually(t, "the session is no longer revoked", func() bool { return r.check(token) == gateway.ReasonAllowed })
}

func TestHookHearsOfRevocations(t *testing.T) {
	t.Parallel()
	heard := make(chan string, 10)
	r := setup(t, func(r *rig, cfg *gateway.Config) {
		r.feed.Revoke("shop", "before")
		cfg.Hooks.Revoked = func(tenant, session string) { heard <- tenant + "/" + session }
	}).ready(t)
	r.feed.Revoke("shop", "s1")
	r.feed.Revoke("shop", "s1")
	if got := <-heard; got != "shop/s1" || len(heard) != 0 {
		t.Errorf("heard %s and %d more", got, len(heard))
	}
}

func TestStatusFollowsRevocations(t *testing.T) {
	t.Parallel()
	r := setup(t, func(_ *rig, cfg *gateway.Config) {
		cfg.StatusInterval, cfg.Name, cfg.Tenant = time.Hour, "till 3", "shop"
	}).ready(t)
	r.feed.CallRoll()
	r.feed.Revoke("shop", "s1")
	newest := func() events.GatewayStatus {
		all := r.feed.Statuses()
		return all[len(all)-1]
	}
	eventually(t, "status with the revocation", func() bool { return newest().Applied == 1 })
	if s := newest(); s.Gateway != "gateway-1" || s.Name != "till 3" || s.Tenant != "shop" || s.Entries != 1 || s.Stale || s.Interval != 3600 {
		t.Errorf("status = %+v", s)
	}
	r.Close()
	if !newest().Leaving {
		t.Error("the last status does not say that the gateway leaves")
	}
}

func TestEndsWithItsContext(t *testing.T) {
	t.Parallel()
	r := setup(t, nil).ready(t)
	ctx, cancel := context.WithCancel(t.Context())
	second, err := gateway.New(ctx, gateway.Config{Feed: r.feed, Verifier: r.issuer.Verifier(), Stale: gateway.FailOpen})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	second.Close()
}

// TestUnlisted compares a gateway that reports itself with one that does not.
func TestUnlisted(t *testing.T) {
	t.Parallel()
	for _, unlisted := range []bool{false, true} {
		r := setup(t, func(_ *rig, cfg *gateway.Config) { cfg.Unlisted = unlisted }).ready(t)
		r.feed.Revoke("shop", "s1")
		if !r.Revoked("shop", "s1") {
			t.Errorf("Unlisted = %t: the session is not revoked", unlisted)
		}
		r.Close()
		if reports := r.feed.Statuses(); len(reports) == 0 != unlisted {
			t.Errorf("Unlisted = %t: it reports %+v", unlisted, reports)
		}
	}
}

func TestTheRollCallIsAnswered(t *testing.T) {
	t.Parallel()
	for _, unlisted := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := setup(t, func(r *rig, cfg *gateway.Config) {
				r.feed.Now, r.issuer.Now, cfg.Now = nil, nil, nil
				cfg.StatusInterval, cfg.Unlisted = time.Hour, unlisted
			}).ready(t)
			defer r.Close()
			<-time.After(time.Minute)
			before := len(r.feed.Statuses())
			want := func(n int) {
				t.Helper()
				synctest.Wait()
				if unlisted {
					n = 0
				}
				if got := len(r.feed.Statuses()) - before; got != n {
					t.Errorf("unlisted is %v: %d answers, want %d", unlisted, got, n)
				}
			}
			r.feed.CallRoll()
			<-time.After(10 * time.Millisecond)
			want(1)
			for range 10 {
				r.feed.CallRoll()
			}
			<-time.After(100 * time.Millisecond)
			want(1) // one a second
			<-time.After(5 * time.Second)
			want(2)
		})
	}
}

// TestRevocationsAreReportedWhileSomebodyMayWait and not otherwise: most ends nobody
// waits for, and each report of a thousand gateways costs.
func TestRevocationsAreReportedWhileSomebodyMayWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := setup(t, func(r *rig, cfg *gateway.Config) {
			r.feed.Now, r.issuer.Now, cfg.Now = nil, nil, nil
			cfg.StatusInterval, cfg.StaleAfter = time.Hour, time.Hour
		}).ready(t)
		defer r.Close()
		<-time.After(time.Minute)
		reports := func(do func()) []events.GatewayStatus {
			before := len(r.feed.Statuses())
			do()
			<-time.After(100 * time.Millisecond)
			synctest.Wait()
			return r.feed.Statuses()[before:]
		}
		revoke := func(session string) func() { return func() { r.feed.Revoke("shop", session) } }
		if got := reports(revoke("s1")); len(got) != 0 {
			t.Errorf("nobody asked, and it reports %+v", got)
		}
		if got := reports(r.feed.CallRoll); len(got) != 1 || got[0].Applied != 1 {
			t.Errorf("it was asked, and reports %+v", got)
		}
		<-time.After(14 * time.Second)
		if got := reports(revoke("s2")); len(got) != 1 || got[0].Applied != 2 {
			t.Errorf("somebody may wait, and it reports %+v", got)
		}
		<-time.After(time.Second)
		if got := reports(revoke("s3")); len(got) != 0 {
			t.Errorf("nobody waits any more, and it reports %+v", got)
		}
	})
}

// TestCheckSession asks about sessions whose tokens somebody else verified.
func TestCheckSession(t *testing.T) {
	t.Parallel()
	for _, policy := range []gateway.StalePolicy{gateway.FailClosed, gateway.FailOpen} {
		r := setup(t, func(_ *rig, cfg *gateway.Config) { cfg.Tenant, cfg.Stale = "shop", policy }).ready(t)
		r.feed.Revoke("shop", "s2")
		one, two := gateway.Session{Tenant: "shop", ID: "s1"}, gateway.Session{Tenant: "shop", ID: "s2"}
		if err := r.CheckSession(one); err != nil {
			t.Errorf("%v: %v", policy, err)
		}
		if err := r.CheckSession(gateway.Session{Tenant: "other", ID: "s1"}); !errors.Is(err, gateway.ErrTenant) {
			t.Errorf("%v, foreign tenant: %v", policy, err)
		}
		r.clock.Advance(time.Hour)
		if err := r.CheckSession(one); errors.Is(err, gateway.ErrStale) != (policy == gateway.FailClosed) {
			t.Errorf("%v, stale: %v", policy, err)
		}
		if err := r.CheckSession(two); reason(err) != gateway.ReasonRevoked {
			t.Errorf("%v, revoked: %v", policy, err)
		}
		counted := r.Stats().Decisions
		if counted[gateway.ReasonRevoked] != 1 || counted[gateway.ReasonInvalid] != 1 {
			t.Errorf("%v: counted %v", policy, counted)
		}
	}
}

// TestGoingStaleIsReported by a gateway that goes on all the same, too.
func TestGoingStaleIsReported(t *testing.T) {
	t.Parallel()
	for _, policy := range []gateway.StalePolicy{gateway.FailClosed, gateway.FailOpen} {
		synctest.Test(t, func(t *testing.T) {
			r := setup(t, func(r *rig, cfg *gateway.Config) {
				r.feed.Now, r.issuer.Now, cfg.Now = nil, nil, nil
				cfg.StatusInterval, cfg.Stale = time.Hour, policy
			}).ready(t)
			defer r.Close()
			stale := func() bool {
				synctest.Wait()
				all := r.feed.Statuses()
				return all[len(all)-1].Stale
			}
			<-time.After(2 * time.Second)
			if stale() {
				t.Errorf("%v: it says that it is stale when it is not", policy)
			}
			<-time.After(gateway.DefaultStaleAfter)
			if !stale() {
				t.Errorf("%v: it does not say that it is stale", policy)
			}
			r.feed.Tick()
			<-time.After(2 * time.Second)
			if stale() {
				t.Errorf("%v: it does not say that it is fresh again", policy)
			}
		})
	}
}
