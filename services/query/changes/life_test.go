package changes

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/natstest"
)

func TestAnnouncementsThatGetLostAreNoticed(t *testing.T) {
	t.Parallel()
	hearing(t, Config{}, func(r *rig) { // that looks every two seconds
		w := r.watch("shop", "")
		defer w.Stop()
		r.store.set(12, nil)
		<-time.After(3 * time.Second)
		if c := next(w); c.All {
			t.Error("an announcement is given no time to come")
		}
		<-time.After(2 * time.Second)
		if c := next(w); !c.All || c.Position != 12 {
			t.Errorf("a lost announcement is told as %+v", c)
		}
		<-time.After(time.Minute)
		if c := next(w); c.All {
			t.Errorf("it is told twice: %+v", c)
		}
		r.store.set(13, nil)
		r.wire.say(events.Changed{Tenant: "shop", Users: []string{"carl"}, Position: 13})
		<-time.After(time.Minute)
		if c := next(w); c.All || next(w).All {
			t.Error("what was announced counts as lost")
		}
		if _, complete := r.hub.Missed("new", Mark{11, 0}, Mark{13, 0}); complete {
			t.Error("a tenant that nobody watched missed nothing")
		}
	})
}

func TestALostAnnouncementIsNoticedByTheNext(t *testing.T) {
	t.Parallel()
	shop := func(source string, number uint64) events.Changed {
		return events.Changed{Tenant: "shop", Source: source, Number: number, Users: []string{"carl"}, Position: 10 + number}
	}
	for name, test := range map[string]struct {
		then events.Changed
		lost bool
	}{
		"the next one":               {shop("projector", 8), false},
		"one was lost":               {shop("projector", 9), true},
		"one of another projector":   {shop("another", 8), true},
		"the first of a fresh start": {shop("projector", 1), true},
	} {
		hearing(t, Config{}, func(r *rig) {
			w, other := r.watch("shop", ""), r.watch("other", "zoe")
			defer w.Stop()
			defer other.Stop()
			r.wire.say(shop("projector", 7)) // whatever was before the first that is heard
			if c := next(w); c.All || c.Users == nil || next(other).Users != nil {
				t.Errorf("%s: the first is told as %+v", name, c)
			}
			r.wire.say(test.then)
			if c := next(other); (c.Users != nil) != test.lost {
				t.Errorf("%s: another tenant is told %+v", name, c)
			}
			if c := next(w); c.All != test.lost {
				t.Errorf("%s: it is told as %+v", name, c)
			}
			if _, complete := r.hub.Missed("new", Mark{10, 0}, Mark{99, 0}); complete == test.lost {
				t.Errorf("%s: a tenant that nobody watched missed nothing: %v", name, complete)
			}
		})
	}
}

func TestAPollThatFailsLosesNothing(t *testing.T) {
	t.Parallel()
	hearing(t, Config{PollEvery: time.Second}, func(r *rig) {
		w := r.watch("shop", "")
		defer w.Stop()
		r.store.set(12, nil)
		<-time.After(1500 * time.Millisecond)
		r.store.set(0, errors.New("away"))
		<-time.After(10 * time.Second)
		if c := next(w); c.All {
			t.Error("it knows what it cannot")
		}
		r.store.set(12, nil)
		<-time.After(2 * time.Second)
		if c := next(w); !c.All {
			t.Error("the lost announcement is forgotten")
		}
	})
}

func TestNobodyWatchesBeforeItIsKnownFromWhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &shown{fails: errors.New("away")}
		hub := NewHub(Config{Store: store, Bus: &wire{}, Logger: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- hub.Run(ctx) }()
		<-time.After(time.Minute)
		if _, err := hub.Watch("shop", "", Mark{}); !errors.Is(err, ErrClosed) || hub.Ready() {
			t.Errorf("it lets watchers in: %v", err)
		}
		store.set(10, nil)
		<-time.After(3 * time.Second)
		w, err := hub.Watch("shop", "", Mark{10, 0})
		if err != nil || !hub.Ready() {
			t.Fatal(err)
		}
		w.Stop()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestAHubThatEndsInVain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		hub := NewHub(Config{Store: &shown{fails: errors.New("away")}, Bus: &wire{}, Logger: slog.New(slog.DiscardHandler)})
		ended := make(chan error, 1)
		go func() { ended <- hub.Run(ctx) }()
		synctest.Wait()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		refused := errors.New("refused")
		hub = NewHub(Config{Store: &shown{}, Bus: &wire{fails: refused}})
		if err := hub.Run(t.Context()); !errors.Is(err, refused) {
			t.Errorf("a bus that refuses is answered %v", err)
		}
		<-hub.Closed()
	})
}

func TestSoManyWatchAtOnce(t *testing.T) {
	t.Parallel()
	hearing(t, Config{MaxWatchers: 2}, func(r *rig) {
		first, second := r.watch("shop", ""), r.watch("other", "")
		if _, err := r.hub.Watch("shop", "", Mark{}); !errors.Is(err, ErrBusy) || r.hub.Count() != 2 {
			t.Errorf("a third is answered %v", err)
		}
		first.Stop()
		third := r.watch("shop", "")
		third.Stop()
		second.Stop()
		if n := r.hub.Count(); n != 0 {
			t.Errorf("%d are left", n)
		}
	})
}

func TestWhoIsTooSlowIsCounted(t *testing.T) {
	t.Parallel()
	hearing(t, Config{}, func(r *rig) {
		slow, other := r.watch("shop", ""), r.watch("shop", "carl")
		for i := range uint64(maxBehind + 5) {
			r.wire.say(events.Changed{Tenant: "shop", Users: []string{"anna"}, Position: 11 + i})
		}
		<-slow.Cut()
		select {
		case <-other.Cut():
			t.Error("who hears nothing is too slow")
		default:
		}
		if r.slow != 1 || r.hub.Count() != 2 {
			t.Errorf("%d were too slow, %d watch", r.slow, r.hub.Count())
		}
		slow.Stop()
		other.Stop()
		if n := r.hub.Count(); n != 0 {
			t.Errorf("%d are left", n)
		}
	})
}

func TestWatchesEndWithTheHub(t *testing.T) {
	t.Parallel()
	hearing(t, Config{}, func(r *rig) {
		w := r.watch("shop", "")
		select {
		case <-r.hub.Closed():
			t.Fatal("it is closed")
		default:
		}
		r.stop()
		<-r.hub.Closed()
		if _, err := r.hub.Watch("shop", "", Mark{}); !errors.Is(err, ErrClosed) || r.hub.Ready() || !r.wire.stopped {
			t.Errorf("it lets watchers in: %v", err)
		}
		w.Stop()
	})
}

func TestMarks(t *testing.T) {
	t.Parallel()
	a, b := Mark{12, 5}, Mark{10, 7}
	if a.Join(b) != (Mark{12, 7}) || a.Covers(b) || b.Covers(a) || !a.Join(b).Covers(a) || !a.Covers(a) || a.String() != "12-5" {
		t.Errorf("marks are %v and %v", a, b)
	}
	for _, s := range []string{"", "-", "12", "12-", "-5", "12-5-7", "a-b", "12-+5", " 12-5", "-12-5", "18446744073709551616-0"} {
		if m, err := ParseMark(s); err == nil {
			t.Errorf("%q is %v", s, m)
		}
	}
	if m := MarkOf(activesessions.Freshness{Position: 3, Touches: 4}); m != (Mark{3, 4}) {
		t.Errorf("the mark of a read is %v", m)
	}
}

// TestAnnouncementsComeOverNATS is the wire.
func TestAnnouncementsComeOverNATS(t *testing.T) {
	t.Parallel()
	quiet := slog.New(slog.DiscardHandler)
	conn, err := bus.Connect(t.Context(), bus.Config{URL: natstest.Start(t).URL(), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	hub := NewHub(Config{Store: &shown{}, Bus: conn, Logger: quiet})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- hub.Run(ctx) }()
	for !hub.Ready() {
		<-time.After(time.Millisecond)
	}
	w, err := hub.Watch("shop", "", Mark{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	data, err := json.Marshal(events.Changed{Tenant: "shop", Users: []string{"carl"}, Position: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Publish(events.ChangedSubject("shop"), data); err != nil {
		t.Fatal(err)
	}
	select {
	case c := <-w.Changes():
		if !c.Concerns("carl") || c.Position != 1 {
			t.Errorf("the change is %+v", c)
		}
	case <-time.After(20 * time.Second):
		t.Error("nothing came")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
