package natsusers_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/netfault"
)

const (
	// promise is how long after the line is whole again a store's gateways are fresh,
	// with nobody's help.
	promise = 5 * time.Second
	// inVain is how long a line has to be away for the mirror to be no help after it:
	// nats-server looks every ten seconds whether ten seconds were silent, asks the hub
	// anew, and waits for the answer that does not come for 30 s.
	inVain = 21 * time.Second
)

// TestStoreIsFreshSoonAfterItsLine takes the line away in the ways in which lines go,
// and counts from when it is back. The time is not the test's patience but what is
// promised.
func TestStoreIsFreshSoonAfterItsLine(t *testing.T) {
	t.Parallel()
	for _, fault := range []struct {
		name  string
		fault func(*netfault.Line)
		lasts time.Duration
		times int
	}{
		{"cut until the mirror has asked in vain", (*netfault.Line).Cut, inVain, 1},
		{"frozen until the mirror has asked in vain", (*netfault.Line).Freeze, inVain, 1},
		{"cut again and again", (*netfault.Line).Cut, 1500 * time.Millisecond, 5},
		{"frozen for so short that nobody hangs up, again and again", (*netfault.Line).Freeze, 3 * time.Second, 2},
		{"frozen until the store hangs up, again and again", (*netfault.Line).Freeze, 7 * time.Second, 2},
	} {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			tills := newTills(newStore(t))
			for i := range fault.times {
				fault.fault(tills.line)
				back := time.After(fault.lasts)
				tills.endSome(1 + i%2*30) // one, or more than are fetched one by one
				<-back
				if fault.lasts > gateway.DefaultStaleAfter {
					tills.expect("with the line "+fault.name, gateway.ReasonStale)
				}
				tills.line.Open()
				tills.expectFresh(promise)
			}
		})
	}
}

// tills ask the gateways of a store, one of each policy.
type tills struct {
	*store

	gateways map[string]*gateway.Gateway
	ended    []string
}

func newTills(s *store) *tills {
	s.t.Helper()
	tills := &tills{store: s, gateways: map[string]*gateway.Gateway{
		"closed": s.gateway("closed", gateway.FailClosed),
		"open":   s.gateway("open", gateway.FailOpen),
		"grace":  s.gateway("grace", gateway.Grace(time.Hour)),
	}}
	tills.endSome(3)
	eventually(s.t, "the gateways refuse who was ended", func() bool { return tills.state() == "" })
	return tills
}

// endSome ends sessions that were not ended.
func (s *tills) endSome(n int) {
	s.t.Helper()
	for range n {
		session := fmt.Sprint("ended-", len(s.ended))
		s.revoke(s.log, events.Key{Tenant: "shop", User: "anna", Session: session})
		s.ended = append(s.ended, session)
	}
}

// expect looks at what a till is answered that was not ended: a gateway that fails
// closed refuses it for the reason, the others do not.
func (s *tills) expect(when string, closed gateway.Reason) {
	s.t.Helper()
	for name, want := range map[string]gateway.Reason{"closed": closed, "open": admitted, "grace": admitted} {
		if got := s.admit(s.gateways[name], "working"); got != want {
			s.t.Errorf("%s, %s about a till at work: %q, want %q", when, name, got, want)
		}
	}
}

// expectFresh waits until the gateways know everything, no longer than was promised.
func (s *tills) expectFresh(within time.Duration) {
	s.t.Helper()
	before := s.mirrored()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for back := time.Now(); ; <-poll.C {
		wrong, took := s.state(), time.Since(back)
		if wrong == "" {
			s.t.Logf("fresh %v after the line was back; the mirror took up %d messages meanwhile",
				took.Round(time.Millisecond), s.mirrored()-before)
			return
		}
		if took > within {
			s.t.Fatalf("%v after the line was back: %s", within, wrong)
		}
	}
}

// state returns what is not as it is while the line is whole, or nothing.
func (s *tills) state() string {
	for name, g := range s.gateways {
		if err := g.Ready(); err != nil {
			return name + ": " + err.Error()
		}
		if got := s.admit(g, "working"); got != admitted {
			return fmt.Sprintf("%s about a till at work: %q", name, got)
		}
		admits := func(session string) bool { return s.admit(g, session) != gateway.ReasonRevoked }
		if i := slices.IndexFunc(s.ended, admits); i >= 0 {
			return name + " admits " + s.ended[i]
		}
	}
	return ""
}
