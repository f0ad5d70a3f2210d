package recorder_test

import (
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/session"
	"github.com/posse-pos/posse/services/recorder"
)

func TestTheSweepEndsWhatIsIdle(t *testing.T) {
	t.Parallel()
	s := open(t, func(c *recorder.Config) {
		c.Policies.Tenants = map[string]session.Policy{"shop": {IdleTimeout: time.Hour}, "never": {}}
	})
	s.signIn("ada", "used", "unused")
	s.clock.forward(50 * time.Minute)
	s.signIn("bob", "new")
	// The read model has not seen this one; the log has.
	touch := commands.Touches{Caller: backend(), Touches: []commands.Touch{{User: "ada", Session: "used"}}}
	if err := s.Touch(t.Context(), touch); err != nil {
		t.Fatal(err)
	}
	s.clock.forward(20 * time.Minute)
	s.Sweep(t.Context())
	s.another().Sweep(t.Context())
	ends := s.revoked("ada")
	if len(ends) != 1 || ends[0].Session != "unused" || ends[0].Cause != events.CauseIdle ||
		ends[0].InitiatingEntity != events.InitiatedByPolicy || s.active("bob") != 1 {
		t.Errorf("ends are %+v", ends)
	}
}

func TestTheDefaultPolicyIsSweptForNamedTenants(t *testing.T) {
	t.Parallel()
	s := open(t, idleAfter(time.Hour), func(c *recorder.Config) {
		c.Tenants = func() []string { return []string{"shop", "shop"} }
	})
	s.signIn("ada", "till")
	s.clock.forward(time.Hour)
	s.Sweep(t.Context())
	if s.active("ada") != 0 {
		t.Error("an idle session lives")
	}
}

func TestRunSweepsByItself(t *testing.T) {
	t.Parallel()
	s := open(t, idleAfter(time.Hour), func(c *recorder.Config) {
		c.Tenants = func() []string { return []string{"shop"} }
		c.SweepEvery = time.Millisecond
	})
	s.signIn("ada", "till")
	s.clock.forward(time.Hour)
	ended := make(chan struct{})
	s.log.mu.Lock()
	s.log.after = func(int) error { close(ended); return nil }
	s.log.mu.Unlock()
	running := make(chan error, 1)
	ctx, cancel := cancelled(t)
	go func() { running <- s.Run(ctx) }()
	<-ended
	cancel()
	if err := <-running; err != nil {
		t.Error(err)
	}
}
