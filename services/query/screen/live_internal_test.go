package screen

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions/memstore"
	"github.com/posse-pos/posse/services/query/changes"
)

// announcer is a bus on which a test speaks.
type announcer struct {
	handle func(subject string, data []byte)
}

func (a *announcer) Subscribe(_ string, handle func(subject string, data []byte)) (func(), error) {
	a.handle = handle
	return func() {}, nil
}

func (a *announcer) say(position uint64, users ...string) {
	data, err := json.Marshal(events.Changed{Tenant: "shop", Users: users, Position: position})
	if err != nil {
		panic(err)
	}
	a.handle(events.ChangedSubject("shop"), data)
}

// stage is where a test has open screens, which pulse every second.
type stage struct {
	*testing.T

	live *live
	bus  *announcer
}

func inCrowd(t *testing.T, config changes.Config, test func(s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		bus := &announcer{}
		config.Store, config.Bus = memstore.New(memstore.Config{}), bus
		config.PollEvery, config.Logger = time.Hour, slog.New(slog.DiscardHandler)
		hub := changes.NewHub(config)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- hub.Run(ctx) }()
		synctest.Wait()
		test(&stage{t, newLive(Config{Changes: hub, PulseEvery: time.Second, MaxScreens: 10}), bus})
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func (s *stage) enter(user string) *member {
	s.Helper()
	m, err := s.live.join("shop", user, changes.Mark{}, changes.Mark{})
	if err != nil {
		s.Fatal(err)
	}
	synctest.Wait()
	return m
}

func TestACrowdThatIsTooSlowTellsOfEverything(t *testing.T) {
	t.Parallel()
	slow := 0
	inCrowd(t, changes.Config{Slow: func() { slow++ }}, func(s *stage) {
		m := s.enter("anna")
		defer m.leave()

		s.live.mu.Lock() // the crowd cannot go on
		for i := range 100 {
			s.bus.say(uint64(i+1), fmt.Sprint("user-", i))
		}
		number := s.live.crowds["shop"].number
		s.live.mu.Unlock()
		synctest.Wait()
		if slow != 1 {
			s.Fatalf("%d crowds were cut off, want one", slow)
		}
		if p, check := m.take(); !p.all || !p.moved || !check {
			s.Errorf("the pulse is %+v, check is %v", p, check)
		}
		if now, watched := s.live.pulseOf("shop"); !watched || now <= number {
			s.Errorf("the pulse has number %d, after %d", now, number)
		}

		s.bus.say(200, "carl")
		<-time.After(gatherFor)
		synctest.Wait()
		if p, _ := m.take(); p.all || !p.moved || !p.concerns("carl") || p.concerns("anna") {
			s.Errorf("then the pulse is %+v", p)
		}
	})
}

func TestACrowdWaitsUntilThereIsRoomForIt(t *testing.T) {
	t.Parallel()
	inCrowd(t, changes.Config{MaxWatchers: 2}, func(s *stage) {
		m := s.enter("anna")
		other, err := s.live.hub.Watch("other", "", changes.Mark{})
		if err != nil {
			s.Fatal(err)
		}
		c := s.live.crowds["shop"]
		answers := make(chan *changes.Watching)
		go func() { answers <- c.again(s.Context()) }()
		<-time.After(10 * time.Second)
		select {
		case <-answers:
			s.Fatal("it watches where there is no room")
		default:
		}
		other.Stop()
		(<-answers).Stop()
		m.leave()
	})
}

func TestACrowdThatWaitsForRoomEnds(t *testing.T) {
	t.Parallel()
	inCrowd(t, changes.Config{MaxWatchers: 1}, func(s *stage) {
		m := s.enter("anna")
		defer m.leave()
		ctx, cancel := context.WithCancel(s.Context())
		answers := make(chan *changes.Watching)
		go func() { answers <- s.live.crowds["shop"].again(ctx) }()
		synctest.Wait()
		cancel()
		if w := <-answers; w != nil {
			s.Error("who has left watches on")
		}
	})
}

func TestAPulseNamesSoMany(t *testing.T) {
	t.Parallel()
	var p pulse
	for i := range maxPulseUsers {
		p.add([]string{fmt.Sprint("user-", i)}, false, false)
	}
	if p.all || len(p.users) != maxPulseUsers || !p.concerns("user-7") || p.concerns("anna") {
		t.Errorf("all is %v, %d users are named", p.all, len(p.users))
	}
	p.add([]string{"one-more"}, false, false)
	if !p.all || len(p.users) != 0 || !p.concerns("anna") || p.moved {
		t.Errorf("all is %v, %d users are named, moved is %v", p.all, len(p.users), p.moved)
	}
}

func TestPulsesMerge(t *testing.T) {
	t.Parallel()
	var p pulse
	for i := range 10 {
		o := pulse{moved: i == 3}
		for u := range 300 {
			o.add([]string{fmt.Sprint("user-", i, "-", u)}, false, false)
		}
		p.merge(&o)
		if i < 3 && (p.all || len(p.users) != 300*(i+1) || p.moved) {
			t.Errorf("after %d: all is %v, %d users, moved is %v", i+1, p.all, len(p.users), p.moved)
		}
	}
	if !p.all || len(p.users) != 0 || !p.moved || p.ended {
		t.Errorf("all is %v, %d users, moved is %v", p.all, len(p.users), p.moved)
	}
	p = pulse{}
	p.merge(&pulse{all: true})
	p.merge(&pulse{users: map[string]struct{}{"carl": {}}, ended: true})
	if !p.all || len(p.users) != 0 || !p.ended {
		t.Errorf("the pulse is %+v", p)
	}
}
