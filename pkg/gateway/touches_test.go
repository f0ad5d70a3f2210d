package gateway_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
)

// touching runs a test of touches on a clock of its own.
func touching(t *testing.T, change func(*gateway.Config), test func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{feed: gatewaytest.NewFeed(), issuer: gatewaytest.NewIssuer()}
		cfg := gateway.Config{
			Feed: r.feed, Verifier: r.issuer.Verifier(), Stale: gateway.FailOpen, Logger: slog.New(slog.DiscardHandler),
		}
		if change != nil {
			change(&cfg)
		}
		var err error
		if r.Gateway, err = gateway.New(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		synctest.Wait()
		r.t = t
		test(r)
	})
}

func (r *rig) admit(t *testing.T, session string, origin gateway.Origin) {
	t.Helper()
	if _, err := r.Admit(r.issuer.Token("shop", "anna", session), origin); err != nil {
		t.Fatal(err)
	}
}

func pass(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // the bubble's clock
	synctest.Wait()
}

func TestTouchFirstAtOnceThenOnePerInterval(t *testing.T) {
	t.Parallel()
	touching(t, nil, func(r *rig) {
		t := r.t
		start := time.Now()
		r.admit(t, "s1", gateway.Origin{IP: "203.0.113.9", UserAgent: "a"})
		synctest.Wait()
		if got := r.feed.Touches(); len(got) != 1 || got[0].EventTimestamp != events.TimestampOf(start) || got[0].Personal.UserAgent != "a" {
			t.Fatalf("after the first request: %+v", got)
		}
		for range 25 {
			pass(time.Second)
			r.admit(t, "s1", gateway.Origin{IP: "203.0.113.10", UserAgent: "b"})
		}
		if got := r.feed.Touches(); len(got) != 1 {
			t.Errorf("%d touches within the interval, want 1", len(got))
		}
		pass(5 * time.Second)
		got := r.feed.Touches()
		if len(got) != 2 {
			t.Fatalf("%d touches after the interval, want 2", len(got))
		}
		if want := events.TimestampOf(start.Add(25 * time.Second)); got[1].EventTimestamp != want {
			t.Errorf("the trailing touch is of %v, want %v", got[1].EventTimestamp.Time(), want.Time())
		}
		if got[1].Personal.IP != "203.0.113.10" || got[1].Personal.UserAgent != "b" {
			t.Errorf("the trailing touch is from %+v", got[1].Personal)
		}
		pass(time.Hour)
		if got := r.feed.Touches(); len(got) != 2 {
			t.Errorf("%d touches without a request, want 2", len(got))
		}
		if s := r.Stats(); s.TouchesSent != 2 || s.TouchesCoalesced != 24 || s.TrackedSessions != 0 {
			t.Errorf("Stats = %+v", s)
		}
		r.admit(t, "s1", gateway.Origin{})
		synctest.Wait()
		if got := r.feed.Touches(); len(got) != 3 {
			t.Error("the first request after a quiet hour is not reported at once")
		}
	})
}

func TestTouchesWaitWithTheNewest(t *testing.T) {
	t.Parallel()
	touching(t, nil, func(r *rig) {
		t := r.t
		r.feed.Freeze()
		for range 60 {
			r.admit(t, "s1", gateway.Origin{})
			pass(time.Second)
		}
		last := time.Now().Add(-time.Second)
		r.feed.Thaw()
		pass(time.Second)
		got := r.feed.Touches()
		if len(got) != 1 || got[0].EventTimestamp != events.TimestampOf(last) {
			t.Errorf("touches after the feed thawed: %+v, want one of %v", got, last)
		}
		if r.Stats().TouchesFailed == 0 {
			t.Error("no failure was counted")
		}
	})
}

func TestCloseStoresWhatWaits(t *testing.T) {
	t.Parallel()
	touching(t, nil, func(r *rig) {
		t := r.t
		for i := range 2000 {
			r.admit(t, fmt.Sprint("s", i), gateway.Origin{})
		}
		pass(time.Second)
		last := time.Now()
		for i := range 2000 {
			r.admit(t, fmt.Sprint("s", i), gateway.Origin{})
		}
		r.Close()
		newest := map[string]events.Timestamp{}
		for _, touch := range r.feed.Touches() {
			newest[touch.Session] = touch.EventTimestamp
		}
		for session, at := range newest {
			if at != events.TimestampOf(last) {
				t.Fatalf("%s was last touched at %v, want %v", session, at.Time(), last)
			}
		}
		if len(newest) != 2000 {
			t.Errorf("%d sessions were touched", len(newest))
		}
	})
}

func TestTrackedSessionsAreBounded(t *testing.T) {
	t.Parallel()
	touching(t, func(c *gateway.Config) { c.TrackedSessions = 10 }, func(r *rig) {
		t := r.t
		for i := range 15 {
			r.admit(t, fmt.Sprint("s", i), gateway.Origin{})
		}
		synctest.Wait()
		if s := r.Stats(); s.TouchesSent != 10 || s.TouchesDropped != 5 || s.TrackedSessions != 10 {
			t.Errorf("Stats = %+v", s)
		}
		pass(2 * gateway.DefaultTouchInterval)
		r.admit(t, "s14", gateway.Origin{})
		synctest.Wait()
		if s := r.Stats(); s.TouchesSent != 11 {
			t.Errorf("room is not made: %+v", s)
		}
	})
}

func TestOriginIsCut(t *testing.T) {
	t.Parallel()
	touching(t, nil, func(r *rig) {
		t := r.t
		r.admit(t, "s1", gateway.Origin{IP: strings.Repeat("1", 500), UserAgent: strings.Repeat("ü", 400) + "\xff"})
		synctest.Wait()
		got := r.feed.Touches()
		if len(got) != 1 || got[0].Personal.IP != "" || got[0].Personal.UserAgent != strings.Repeat("ü", 256) {
			t.Errorf("touches = %+v", got)
		}
	})
}

func TestRefusedRequestsAreNoActivity(t *testing.T) {
	t.Parallel()
	touching(t, nil, func(r *rig) {
		t := r.t
		r.feed.Revoke("shop", "s1")
		_, _ = r.Admit(r.issuer.Token("shop", "anna", "s1"), gateway.Origin{})
		_, _ = r.Check(r.issuer.Token("shop", "anna", "s2"))
		pass(time.Minute)
		if got := r.feed.Touches(); len(got) != 0 {
			t.Errorf("touches = %+v", got)
		}
	})
}

func TestTouchReportsWhatWasVerifiedElsewhere(t *testing.T) {
	t.Parallel()
	touching(t, nil, func(r *rig) {
		t := r.t
		start := time.Now()
		r.Touch(gateway.Session{Tenant: "shop", User: "anna", ID: "s1"}, gateway.Origin{IP: "203.0.113.9", UserAgent: "a"})
		r.Touch(gateway.Session{Tenant: "shop", User: "anna"}, gateway.Origin{IP: "203.0.113.9"})
		synctest.Wait()
		got := r.feed.Touches()
		if len(got) != 1 || got[0].Key != (events.Key{Tenant: "shop", User: "anna", Session: "s1"}) ||
			got[0].EventTimestamp != events.TimestampOf(start) || got[0].Personal.IP != "203.0.113.9" {
			t.Fatalf("after the first request: %+v", got)
		}
		pass(time.Second)
		r.admit(t, "s1", gateway.Origin{})
		if got := r.feed.Touches(); len(got) != 1 {
			t.Error("a touch and a request of one session are not coalesced")
		}
		if s := r.Stats(); s.TrackedSessions != 1 || s.TouchesCoalesced != 0 {
			t.Errorf("Stats = %+v", s)
		}
	})
}
