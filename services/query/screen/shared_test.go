package screen_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posse-pos/posse/events"
)

// refreshed is what an open screen asks for by itself.
func (r *rig) refreshed(who, path string) *node {
	r.Helper()
	target := "section#sessions"
	if strings.HasPrefix(path, "/users") {
		target = "div#user-list-pane"
	}
	return r.pane(who, target, path).want(http.StatusOK)
}

// reads is how often a store is read for something.
func (r *rig) reads(something func()) (users, sessions int) {
	u0, s0 := r.reader.counts()
	something()
	u1, s1 := r.reader.counts()
	return u1 - u0, s1 - s0
}

func TestOneReadServesManyScreens(t *testing.T) {
	t.Parallel()
	live(t, func(r *rig) {
		r.shop()
		defer r.follow("anna", "").close()
		refresh := func() {
			for range 20 {
				equal(r.T, "users", usersOf(r.refreshed("anna", "/users?refresh=5&rows=3")), "anna", "carl", "otto")
				equal(r.T, "sessions", sessionsOf(r.refreshed("otto", "/?user=carl&refresh=5")), "carl-1", "carl-2")
			}
		}
		if users, sessions := r.reads(refresh); users != 2 || sessions != 1 { // the list, and anna in it
			r.Errorf("40 refreshes take %d reads of users and %d of sessions", users, sessions)
		}
		r.touched("carl-2")
		pass(gathering)
		users, sessions := r.reads(func() {
			refresh2 := r.refreshed("otto", "/?user=carl&refresh=5")
			equal(r.T, "sessions after a pulse", sessionsOf(refresh2), "carl-2", "carl-1")
			r.refreshed("anna", "/?user=carl&refresh=5")
		})
		if users != 0 || sessions != 1 {
			r.Errorf("two refreshes after a pulse take %d and %d reads", users, sessions)
		}
	})
}

func TestManyScreensAtOnceAreOneRead(t *testing.T) {
	t.Parallel()
	live(t, func(r *rig) {
		r.shop()
		defer r.follow("anna", "").close()
		gate := make(chan struct{})
		r.reader.change(func() { r.reader.gate = gate })
		before, _ := r.reader.counts()
		var wait sync.WaitGroup
		for range 50 {
			wait.Go(func() { r.refreshed("carl", "/users?refresh=5&rows=3") })
		}
		synctest.Wait()
		if after, _ := r.reader.counts(); after-before != 1 {
			r.Errorf("50 screens that ask at once take %d reads", after-before)
		}
		close(gate)
		wait.Wait()
	})
}

func TestDifferentQuestionsAreNotShared(t *testing.T) {
	t.Parallel()
	live(t, func(r *rig) {
		r.shop()
		defer r.follow("anna", "").close()
		defer r.follow("zoe", "").close()
		equal(r.T, "anna's", usersOf(r.refreshed("anna", "/users?refresh=5")), "anna", "carl", "otto")
		equal(r.T, "otto's", usersOf(r.refreshed("otto", "/users?refresh=5")), "otto", "carl", "anna")
		equal(r.T, "carl's", usersOf(r.refreshed("carl", "/users?refresh=5")), "carl")
		equal(r.T, "zoe's", usersOf(r.refreshed("zoe", "/users?refresh=5")), "zoe")
		equal(r.T, "filtered", usersOf(r.refreshed("anna", "/users?refresh=5&q=carl")), "carl")
		equal(r.T, "active", sessionsOf(r.refreshed("anna", "/?refresh=5&user=carl")), "carl-1", "carl-2")
		equal(r.T, "ended", sessionsOf(r.refreshed("anna", "/?refresh=5&user=carl&view=history")))
		equal(r.T, "of another", sessionsOf(r.refreshed("anna", "/?refresh=5&user=otto")), "otto-1")
		same(r.T, "of another tenant", r.refreshed("zoe", "/?refresh=5&user=carl").one("h2").says(), "There is no such user")
	})
}

func TestWhatIsSharedIsRedactedForEach(t *testing.T) {
	t.Parallel()
	live(t, func(r *rig) {
		r.shop()
		r.record(events.StreamSessions, r.revoked("carl", "carl-2", 0))
		defer r.follow("anna", "").close()
		contains(r.T, "anna", r.refreshed("anna", "/?refresh=5&user=carl&view=history").says(), "stolen at the till")
		own := r.refreshed("carl", "/?refresh=5&user=carl&view=history").says()
		if strings.Contains(own, "stolen") || !strings.Contains(own, "please call us") {
			r.Errorf("carl sees %s", own)
		}
		contains(r.T, "anna again", r.refreshed("anna", "/?refresh=5&user=carl&view=history").says(), "stolen at the till")
	})
}

func TestASharedReadUndoesNothing(t *testing.T) {
	t.Parallel()
	live(t, func(r *rig) {
		r.shop()
		defer r.follow("anna", "").close()
		r.refreshed("anna", "/?refresh=5&user=carl")
		// Not announced yet, but shown to whoever did it.
		position := r.record(events.StreamSessions, r.revoked("carl", "carl-1", 0))
		equal(r.T, "who knows less", sessionsOf(r.refreshed("otto", "/?refresh=5&user=carl")), "carl-1", "carl-2")
		own := r.refreshed("anna", fmt.Sprintf("/?refresh=%d&user=carl", position))
		equal(r.T, "who did it", sessionsOf(own), "carl-2")
		list := r.refreshed("anna", fmt.Sprintf("/users?refresh=%d", position))
		same(r.T, "the list's position", list.one("#user-list-pane").attr["data-position"], strconv.FormatUint(position, 10))
	})
}

func TestASharedReadIsNotOld(t *testing.T) {
	t.Parallel()
	live(t, func(r *rig) {
		r.shop()
		defer r.follow("anna", "").close()
		r.refreshed("anna", "/?refresh=5&user=carl")
		r.record(events.StreamSessions, r.revoked("carl", "carl-1", 0)) // whose announcement gets lost
		pass(2 * time.Second)
		equal(r.T, "sessions", sessionsOf(r.refreshed("anna", "/?refresh=5&user=carl")), "carl-2")
	})
}

func TestAReadOfAnEarlierCrowdIsNotShared(t *testing.T) {
	t.Parallel()
	live(t, func(r *rig) {
		r.shop()
		first := r.follow("anna", "")
		r.touched("carl-2")
		pass(gathering)
		r.refreshed("anna", "/?refresh=5&user=carl")
		first.close() // somebody else is selected, or the page is opened again
		second := r.follow("anna", "user=carl")
		defer second.close()
		r.signedIn(r.login("carl", "carl-3", till, 0))
		r.announce("carl")
		pass(gathering)
		second.hears("carl signed in", "sessions", "users")
		equal(r.T, "sessions", sessionsOf(r.refreshed("anna", "/?refresh=5&user=carl")), "carl-3", "carl-2", "carl-1")
	})
}

func TestWhatAPersonAsksForIsReadAnew(t *testing.T) {
	t.Parallel()
	live(t, func(r *rig) {
		r.shop()
		defer r.follow("anna", "").close()
		r.refreshed("anna", "/?refresh=5&user=carl")
		r.refreshed("anna", "/users?refresh=5")
		r.record(events.StreamSessions, r.revoked("carl", "carl-1", 0))
		equal(r.T, "pane", sessionsOf(r.pane("anna", "section#sessions", "/?user=carl").want(http.StatusOK)), "carl-2")
		equal(r.T, "page", sessionsOf(r.get("anna", "/?user=carl").want(http.StatusOK)), "carl-2")
		users, sessions := r.reads(func() { r.get("anna", "/?user=carl"); r.get("anna", "/?user=carl") })
		if users != 4 || sessions != 2 {
			r.Errorf("two pages take %d and %d reads", users, sessions)
		}
	})
}

func TestThePastIsNotShared(t *testing.T) {
	t.Parallel()
	live(t, func(r *rig) {
		r.shop()
		defer r.follow("anna", "").close()
		at := r.clock.now().Add(-time.Second).UTC().Format(time.RFC3339)
		r.refreshed("anna", "/?refresh=5&user=carl")
		_, sessions := r.reads(func() { r.refreshed("anna", "/?refresh=5&user=carl&at="+at) })
		if sessions == 0 {
			r.Error("the past is answered with now")
		}
	})
}

func TestAReadThatFailsIsNotKept(t *testing.T) {
	t.Parallel()
	live(t, func(r *rig) {
		r.shop()
		defer r.follow("anna", "").close()
		r.reader.change(func() { r.reader.fails = errAway })
		r.pane("anna", "section#sessions", "/?refresh=5&user=carl").want(http.StatusServiceUnavailable)
		r.reader.change(func() { r.reader.fails = nil })
		r.refreshed("anna", "/?refresh=5&user=carl")
	})
}

func TestAReadGoesOnForOthersWhenWhoAskedFirstHasGone(t *testing.T) {
	t.Parallel()
	live(t, func(r *rig) {
		r.shop()
		defer r.follow("anna", "").close()
		gate := make(chan struct{})
		r.reader.change(func() { r.reader.gate = gate })
		var wait sync.WaitGroup
		wait.Go(func() { r.within(time.Second, "/users?refresh=5") })
		synctest.Wait()
		wait.Go(func() {
			equal(r.T, "users", usersOf(r.refreshed("anna", "/users?refresh=5")), "anna", "carl", "otto")
		})
		pass(2 * time.Second)
		close(gate)
		wait.Wait()
	})
}

func TestWithoutAStreamNothingIsShared(t *testing.T) {
	t.Parallel()
	live(t, func(r *rig) {
		r.shop()
		r.refreshed("anna", "/?refresh=5&user=carl")
		r.record(events.StreamSessions, r.revoked("carl", "carl-1", 0))
		equal(r.T, "sessions", sessionsOf(r.refreshed("anna", "/?refresh=5&user=carl")), "carl-2")
	})
}
