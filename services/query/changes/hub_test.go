package changes

import (
	"fmt"
	"testing"

	"github.com/posse-pos/posse/events"
)

func TestWatchersHearOfTheirTenant(t *testing.T) {
	t.Parallel()
	hearing(t, Config{}, func(r *rig) {
		w, other := r.watch("shop", ""), r.watch("other", "")
		defer w.Stop()
		defer other.Stop()
		r.wire.say(events.Changed{Tenant: "shop", Users: []string{"anna", "carl"}, Position: 11, Touches: 3})
		if c := next(w); c.Mark != (Mark{11, 3}) || len(c.Users) != 2 || !c.Concerns("carl") || c.Concerns("eve") || c.All {
			t.Errorf("the change is %+v", c)
		}
		if c := next(other); c.Users != nil {
			t.Errorf("another tenant hears of %+v", c)
		}
		r.wire.say(events.Changed{Tenant: "shop", All: true, Position: 12})
		if c := next(w); !c.Concerns("eve") {
			t.Errorf("the change is %+v", c)
		}
	})
}

func TestAWatcherOfOneUserHearsOfThemAlone(t *testing.T) {
	t.Parallel()
	hearing(t, Config{}, func(r *rig) {
		w := r.watch("shop", "carl")
		defer w.Stop()
		r.wire.say(events.Changed{Tenant: "shop", Users: []string{"anna"}, Position: 11})
		r.wire.say(events.Changed{Tenant: "shop", Users: []string{"anna", "carl"}, Position: 12})
		if c := next(w); c.Position != 12 || len(c.Users) != 1 || c.Users[0] != "carl" {
			t.Errorf("the change is %+v", c)
		}
		r.wire.say(events.Changed{Tenant: "shop", All: true, Position: 13})
		if c := next(w); c.All || len(c.Users) != 1 || c.Users[0] != "carl" {
			t.Errorf("of all, they are told %+v", c)
		}
	})
}

func TestAnnouncementsThatMakeNoSenseAreDropped(t *testing.T) {
	t.Parallel()
	hearing(t, Config{}, func(r *rig) {
		w := r.watch("shop", "")
		defer w.Stop()
		r.wire.handle(events.ChangedSubject("shop"), []byte("not JSON"))
		r.wire.handle(events.ChangedSubject("shop"), []byte(`{"tenant":"other","users":["zoe"],"position":99}`))
		r.wire.handle(events.ChangedSubject("other"), []byte(`{"tenant":"shop","users":["carl"],"position":99}`))
		if c := next(w); c.Users != nil || c.All {
			t.Errorf("it hears %+v", c)
		}
		many := make([]string, events.MaxChangedUsers+1)
		for i := range many {
			many[i] = fmt.Sprint("user-", i)
		}
		r.wire.say(events.Changed{Tenant: "shop", Users: many, Position: 11})
		if c := next(w); !c.All || len(c.Users) != events.MaxChangedUsers {
			t.Errorf("of too many %d are named, all is %v", len(c.Users), c.All)
		}
	})
}

func TestWhatWasMissedIsToldAgain(t *testing.T) {
	t.Parallel()
	hearing(t, Config{}, func(r *rig) {
		for position := range uint64(3) {
			r.wire.say(events.Changed{Tenant: "shop", Users: []string{fmt.Sprint("user-", position)}, Position: 11 + position})
		}
		r.store.set(13, nil)
		for _, test := range []struct {
			after    Mark
			missed   int // those at the mark too
			complete bool
		}{
			{Mark{13, 0}, 1, true},
			{Mark{12, 0}, 2, true},
			{Mark{10, 0}, 3, true},
			{Mark{9, 0}, 0, false},
			{Mark{}, 0, false},
			{Mark{14, 0}, 0, false}, // of a read model that is no more
			{Mark{12, 1}, 0, false},
		} {
			missed, complete := r.hub.Missed("shop", test.after, Mark{13, 0})
			if complete != test.complete || complete && len(missed) != test.missed {
				t.Errorf("after %v: %d missed, complete is %v", test.after, len(missed), complete)
			}
			w := r.watch("shop", "")
			w.Resume(test.after)
			if w.Reset == test.complete || test.complete && len(w.Missed) != test.missed {
				t.Errorf("who resumes after %v: %d missed, reset is %v", test.after, len(w.Missed), w.Reset)
			}
			w.Stop()
		}
		w := r.watch("shop", "user-1")
		defer w.Stop()
		w.Resume(Mark{10, 0})
		if len(w.Missed) != 1 || w.Missed[0].Position != 12 || w.From != (Mark{13, 0}) {
			t.Errorf("one user missed %+v, from %v", w.Missed, w.From)
		}
	})
}
