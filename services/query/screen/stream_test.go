package screen_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/services/query/screen"
)

// gathering is how long the first change after a silence waits for others.
const gathering = 50 * time.Millisecond

func TestAStreamSaysWhatChanged(t *testing.T) {
	t.Parallel()
	live(t, func(r *rig) {
		r.shop()
		f := r.follow("anna", "user=carl")
		defer f.close()
		same(r.T, "type", f.header.Get("Content-Type"), "text/event-stream")
		same(r.T, "buffering", f.header.Get("X-Accel-Buffering"), "no")
		same(r.T, "encoding", f.header.Get("Content-Encoding"), "")
		same(r.T, "caching", f.header.Get("Cache-Control"), "no-store")
		f.hears("at first")

		r.signedIn(r.login("carl", "carl-3", till, 0))
		r.announce("carl")
		f.hears("before others could come")
		pass(gathering)
		f.hears("somebody who is selected signed in", "sessions", "users")

		r.signedIn(r.login("otto", "otto-2", till, 0))
		r.announce("otto")
		pass(time.Second)
		f.hears("somebody else signed in", "users")

		r.announceOf(events.Changed{Tenant: "other", Users: []string{"carl"}})
		pass(time.Minute)
		f.hears("something happened elsewhere")

		r.announceOf(events.Changed{Tenant: "shop", All: true})
		pass(time.Second)
		f.hears("too many to name", "sessions", "users")
	})
}

func TestChangesAreGathered(t *testing.T) {
	t.Parallel()
	live(t, func(r *rig) {
		r.shop()
		f := r.follow("anna", "user=carl")
		defer f.close()
		for range 1000 { // within ten seconds
			r.touched("carl-1", "otto-1")
			pass(10 * time.Millisecond)
		}
		pass(6 * time.Second)
		times := map[string]int{}
		for _, event := range f.heard() {
			times[event]++
		}
		if n := times["sessions"]; n < 9 || n > 12 {
			r.Errorf("the sessions are read again %d times in ten seconds", n)
		}
		if n := times["users"]; n < 3 || n > 4 {
			r.Errorf("the list is put in order %d times in ten seconds", n)
		}
	})
}

func TestHowOftenIsConfigured(t *testing.T) {
	t.Parallel()
	live(t, func(r *rig) {
		r.shop()
		f := r.follow("anna", "user=carl")
		defer f.close()
		for range 40 { // within ten seconds
			r.touched("carl-1")
			pass(250 * time.Millisecond)
		}
		if n := len(f.heard()); n < 3 || n > 8 {
			r.Errorf("%d events in ten seconds", n)
		}
	}, func(c *screen.Config) { c.PulseEvery = 4 * time.Second })
}

func TestTheListRestsUnlessSomebodySignsIn(t *testing.T) {
	t.Parallel()
	live(t, func(r *rig) {
		r.shop()
		f := r.follow("anna", "")
		defer f.close()
		r.touched("carl-1")
		pass(time.Second)
		f.hears("activity after a silence", "users")
		r.touched("carl-1")
		pass(3 * time.Second)
		f.hears("more of it")
		r.signedIn(r.login("eve", "eve-1", till, 0))
		r.announce("eve")
		pass(time.Second)
		f.hears("somebody signed in", "users")
		r.touched("carl-1")
		pass(4 * time.Second)
		f.hears("activity")
		pass(time.Second)
		f.hears("later", "users")
		pass(time.Minute)
		f.hears("nothing happens")
	})
}

func TestWhoIsSignedOutIsSentAwayAtOnce(t *testing.T) {
	t.Parallel()
	live(t, func(r *rig) {
		r.shop()
		f := r.follow("anna", "user=carl")
		other := r.follow("otto", "")
		defer other.close()
		r.touched("anna-1")
		pass(time.Second)
		f.heard() // so that the next pulse is a second away
		asked := r.guard.times()
		r.touched("anna-1")
		pass(0)
		if r.guard.times() != asked {
			r.Error("activity has the guard asked")
		}
		r.guard.change(func() { delete(r.guard.known, "anna") })
		r.record(events.StreamSessions, r.revoked("anna", "anna-1", 0))
		r.announce("anna")
		if !f.over() {
			r.Fatal("the stream goes on")
		}
		f.hears("anna", "end")
		if other.over() {
			r.Error("somebody else is sent away with her")
		}
	}, func(c *screen.Config) { c.CheckEvery = time.Hour })
}

func TestWhoIsSignedOutUnheardIsSentAwaySoon(t *testing.T) {
	t.Parallel()
	live(t, func(r *rig) {
		r.shop()
		f := r.follow("anna", "")
		r.guard.change(func() { delete(r.guard.known, "anna") })
		pass(2 * time.Second)
		if !f.over() {
			r.Fatal("the stream goes on")
		}
		f.hears("anna", "end")
	})
}

func TestWhoBecomesSomebodyElseIsSentAway(t *testing.T) {
	t.Parallel()
	live(t, func(r *rig) {
		r.shop()
		f := r.follow("anna", "")
		r.guard.change(func() {
			r.guard.known["anna"] = principal.Principal{Kind: principal.User, Tenant: "shop", User: "anna", Session: "anna-1"}
		})
		pass(2 * time.Second)
		if !f.over() {
			r.Fatal("an admin who is none any more looks on")
		}
		f.hears("anna", "end")
	})
}

func TestThatNobodyCanTellEndsNothing(t *testing.T) {
	t.Parallel()
	live(t, func(r *rig) {
		r.shop()
		f := r.follow("anna", "")
		defer f.close()
		r.guard.change(func() { r.guard.away = true })
		r.signedIn(r.login("anna", "anna-2", till, 0))
		r.announce("anna")
		pass(time.Minute)
		if f.over() {
			r.Fatal("the stream is over")
		}
		f.hears("anna", "users")
	})
}

func TestWhatWasMissedIsTold(t *testing.T) {
	t.Parallel()
	live(t, func(r *rig) {
		r.shop()
		drawn := r.now()
		r.signedIn(r.login("carl", "carl-3", till, 0))
		r.announce("carl")
		r.touched("otto-1")
		pass(0)

		for _, test := range []struct {
			query string
			want  []string
		}{
			{"user=carl&since=" + drawn, []string{"sessions", "users"}},
			{"user=otto&since=" + drawn, []string{"sessions", "users"}},
			{"user=anna&since=" + drawn, []string{"users"}},
			{"user=carl&since=" + r.now(), nil},
			{"user=carl&since=6-0", []string{"users"}},
			{"user=carl", []string{"sessions", "users"}},
			{"user=carl&since=nonsense", []string{"sessions", "users"}},
			{"user=carl&since=99-99", []string{"sessions", "users"}}, // of a read model that is no more
		} {
			f := r.open("anna", test.query)
			pass(10 * time.Second)
			f.hears(test.query, test.want...)
			f.close()
		}
	})
}

func TestAUserHearsOfThemselvesAlone(t *testing.T) {
	t.Parallel()
	live(t, func(r *rig) {
		r.shop()
		f, curious := r.follow("carl", "user=carl"), r.follow("carl", "user=anna")
		defer f.close()
		defer curious.close()
		r.signedIn(r.login("anna", "anna-2", till, 0), r.login("eve", "eve-1", till, 0))
		r.announce("anna", "eve")
		pass(10 * time.Second)
		f.hears("others signed in")
		curious.hears("others signed in")
		r.signedIn(r.login("carl", "carl-3", till, 0))
		r.announce("carl")
		pass(10 * time.Second)
		f.hears("carl signed in", "sessions", "users")
		curious.hears("carl signed in", "users")
	})
}

func TestASilentStreamSaysThatItIsAlive(t *testing.T) {
	t.Parallel()
	live(t, func(r *rig) {
		r.shop()
		f := r.follow("anna", "")
		defer f.close()
		pass(61 * time.Second)
		f.hears("in silence")
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.beats != 5 { // at the start, and every 15 seconds
			r.Errorf("%d beats in a minute", f.beats)
		}
		if left := time.Until(f.deadline); left <= 0 || left > 10*time.Second {
			r.Errorf("a write may take %v", left)
		}
	})
}

func TestABrowserThatIsSlowGetsOneOfEach(t *testing.T) {
	t.Parallel()
	live(t, func(r *rig) {
		r.shop()
		slow, fast := r.follow("anna", "user=carl"), r.follow("otto", "user=carl")
		defer slow.close()
		defer fast.close()
		unblock := slow.block()
		for i := range 5 {
			r.signedIn(r.login("carl", fmt.Sprint("carl-", i+10), till, 0))
			r.announce("carl")
			pass(time.Second)
		}
		if n := len(fast.heard()); n != 10 {
			r.Errorf("who is fast waits for who is slow: %d events", n)
		}
		unblock()
		pass(time.Second)
		if heard := slow.heard(); len(heard) > 4 {
			r.Errorf("who was slow hears %q", heard)
		}
	})
}
