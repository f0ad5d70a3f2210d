package faults_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/gateway"
)

// outcome is a cell of the table: what the till of somebody sees who is signed in.
type outcome string

const (
	passes       outcome = "passes"
	stops        outcome = "passes for 5 s, then 503"
	stopsLater   outcome = "passes for 5 s and the grace, then 503"
	unavailable  outcome = "503"
	opens        outcome = "503 for 5 s, then passes"
	loads        outcome = "503 until they are loaded, then passes"
	loadsOrOpens outcome = "503 until they are loaded, for 5 s at most, then passes"
	keepsUp      outcome = "passes, and 503 while the relay is 5 s behind"
	keepsUpLater outcome = "passes, and 503 while it is 5 s and the grace behind"
	passesOrStop outcome = "passes, or 503 for a second"
	killed       outcome = "503, unless the snapshot is less than 5 s old"
	killedLater  outcome = "passes until the snapshot is 5 s and the grace old, then 503"
)

// stale is what somebody sees of a gateway that is.
const stale = "Service Unavailable/gateway_stale"

// courses are the courses of answers that each outcome allows, from the fault's
// beginning until everything is well again.
var courses = map[outcome][]string{
	passes:       {"passes"},
	keepsUp:      {"passes"},
	keepsUpLater: {"passes"},
	stops:        {"passes, " + stale + ", passes"},
	stopsLater:   {"passes, " + stale + ", passes"},
	unavailable:  {stale + ", passes", "Service Unavailable/not_ready, passes"},
	loads:        {"Service Unavailable/not_ready, passes"},
	loadsOrOpens: {"Service Unavailable/not_ready, passes"},
	opens:        {"Service Unavailable/not_ready, passes"},
	passesOrStop: {"passes", "passes, " + stale + ", passes"},
	killed:       {stale + ", passes"},
	killedLater:  {"passes, " + stale + ", passes", stale + ", passes"}, // it may have taken longer to start
}

// fault is a row of the table.
type fault struct {
	name string
	sees [3]outcome // by policy, in the order of policies
	// before makes the world what it is before its gateways start.
	before func(*world)
	// play makes the fault, waits while it lasts, and mends it. Without it the fault
	// is what the gateways find, and is over when they are ready.
	play func(*world)
	// heavy says that it takes the machine, and not only time.
	heavy bool
}

var table = []fault{
	{
		name: "the line to NATS is cut", sees: [3]outcome{stops, stopsLater, passes},
		play: func(w *world) {
			w.line.Cut()
			w.struck = time.Now()
			last(outage)
			w.line.Open()
		},
	}, {
		name: "the line is frozen: connections stay, and nothing arrives", sees: [3]outcome{stops, stopsLater, passes},
		play: func(w *world) {
			w.line.Freeze()
			w.struck = time.Now()
			last(outage)
			w.line.Open()
		},
	}, {
		name: "the line is slow: everything takes a second, each way", sees: [3]outcome{passes, passes, passes},
		play: func(w *world) {
			w.line.Delay(time.Second)
			last(outage)
			w.line.Delay(0)
		},
	}, {
		name: "the line flaps: away for one second of three", sees: [3]outcome{passes, passes, passes},
		play: func(w *world) {
			for range 5 {
				w.line.Cut()
				last(time.Second)
				w.line.Open()
				last(2 * time.Second)
			}
		},
	}, {
		name: "NATS restarts", sees: [3]outcome{passes, passes, passes},
		play: func(w *world) { w.server.Restart() },
	}, {
		name: "NATS is down", sees: [3]outcome{stops, stopsLater, passes},
		play: func(w *world) {
			w.server.Shutdown()
			w.struck = time.Now()
			last(outage)
			w.server.Resume()
		},
	}, {
		name: "no relay runs, while NATS is up", sees: [3]outcome{stops, stopsLater, passes},
		play: func(w *world) {
			w.stopRelay()
			w.struck = time.Now()
			last(outage)
			w.startRelay()
		},
	}, {
		name: "the gateway restarts while NATS is away, with a snapshot", sees: [3]outcome{stops, stopsLater, passes},
		play: func(w *world) {
			w.line.Cut()
			w.struck = time.Now()
			w.restart(func() {})
			last(outage)
			w.line.Open()
		},
	}, {
		name: "… after it was killed: its snapshot is up to 30 s old", sees: [3]outcome{killed, killedLater, passes},
		play: func(w *world) {
			left := map[*till][]byte{}
			for _, s := range w.tills {
				left[s], s.news = w.savedWhileItRan(s)
			}
			w.line.Cut()
			last(bound)
			w.restart(func() {
				for _, s := range w.tills {
					w.must(os.WriteFile(s.snapshot, left[s], 0o600))
				}
			})
			last(outage)
			w.line.Open()
		},
	}, {
		name: "… with a snapshot that is older than the policy allows", sees: [3]outcome{unavailable, unavailable, passes},
		play: func(w *world) {
			w.line.Cut()
			w.restart(func() { last(outage) })
			last(bound + time.Second)
			w.line.Open()
		},
	}, {
		name: "… with a damaged snapshot, or without one", sees: [3]outcome{unavailable, unavailable, opens},
		play: func(w *world) {
			w.line.Cut()
			w.restart(func() {
				damage(w.t, w.tills[0].snapshot)
				damage(w.t, w.tills[1].snapshot)
				w.must(os.Remove(w.tills[2].snapshot))
			})
			last(bound + time.Second)
			w.wait("who fails open opens", func(s *till) bool {
				return s.policy != gateway.FailOpen || strings.HasSuffix(s.course(w.began), string(passes))
			})
			w.line.Open()
		},
	}, {
		name: "the gateway's clock is five minutes fast", sees: [3]outcome{passes, passes, passes},
		before: func(w *world) { w.ours = wrong },
		play:   func(*world) { last(bound) },
	}, {
		name: "the gateway's clock is five minutes slow", sees: [3]outcome{passes, passes, passes},
		before: func(w *world) { w.ours = -wrong },
		play:   func(*world) { last(bound) },
	}, {
		name: "the relay's clock jumps ahead by five minutes", sees: [3]outcome{passes, passes, passes},
		play: func(w *world) {
			w.relayOff.Store(int64(wrong))
			last(bound)
		},
	}, {
		name: "the relay's clock jumps back by five minutes", sees: [3]outcome{passesOrStop, passes, passes},
		play: func(w *world) {
			w.relayOff.Store(-int64(wrong))
			last(bound + time.Second)
		},
	}, {
		name: "100,000 sessions are ended at once", sees: [3]outcome{keepsUp, keepsUpLater, passes}, heavy: true,
		play: func(w *world) {
			stop := w.watchRelay()
			w.endMany("burst", 100_000)
			w.wait("all of them are known", func(s *till) bool { return s.gateway().Stats().Entries >= 100_000 })
			w.behind = stop()
		},
	}, {
		name: "the gateway starts, and a million ended sessions are to be refused", sees: [3]outcome{loads, loads, loadsOrOpens}, heavy: true,
		before: func(w *world) { w.fill(live(w.t)) },
	},
}

// TestFaults plays every fault, and holds the table and these three promises: nobody
// is admitted later after their end was acknowledged than the policy says, nobody who
// is signed in is refused with 401, and every gateway is fresh within five seconds
// after the fault, with nobody's help.
func TestFaults(t *testing.T) { //nolint:paralleltest // those that are heavy have the machine to themselves
	for _, heavy := range []bool{false, true} {
		t.Run(map[bool]string{false: "light", true: "heavy"}[heavy], func(t *testing.T) {
			for _, f := range table {
				if f.heavy != heavy {
					continue
				}
				t.Run(f.name, func(t *testing.T) {
					if !heavy {
						t.Parallel()
					}
					f.test(t)
				})
			}
		})
	}
}

func (f fault) test(t *testing.T) {
	t.Helper()
	w := newWorld(t)
	if f.before != nil {
		f.before(w)
	}
	w.open()
	if f.play != nil {
		w.settle()
		for _, s := range w.tills {
			s.takeNews()
		}
		w.began = time.Now()
		f.play(w)
	}
	healed := time.Now()
	w.fresh(healed)
	w.caughtUp(healed)
	for i, s := range w.tills {
		s.judge(f.sees[i], healed)
	}
}

// settle waits until each till has seen somebody pass, and somebody refused, and each
// gateway has heard a tick a moment ago.
func (w *world) settle() {
	w.t.Helper()
	start := time.Now()
	w.wait("a till sees somebody pass, and three that are refused", func(s *till) bool {
		return s.course(start) == string(passes) && s.count() >= 3
	})
	w.wait("its gateway has news", func(s *till) bool { return s.gateway().Stats().Age < 1500*time.Millisecond })
}

// caughtUp waits until everybody who was signed out by a moment is refused everywhere,
// and whoever is signed in passes.
func (w *world) caughtUp(by time.Time) {
	w.t.Helper()
	n := len(slices.DeleteFunc(slices.Clone(w.endedSince(0)), func(e *ended) bool { return e.acked.After(by) }))
	w.wait("everybody who was signed out is refused, and nobody else", func(s *till) bool {
		return s.count() >= n && strings.HasSuffix(s.course(by), string(passes))
	})
}

func (w *world) wait(what string, done func(*till) bool) {
	w.t.Helper()
	start := time.Now()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for _, s := range w.tills {
		for !done(s) {
			if time.Since(start) > patience {
				w.t.Fatalf("%s: never happened: %s; it saw %q", s.policy, what, s.course(time.Time{}))
			}
			<-poll.C
		}
	}
}

// last is how long something takes that has no other end.
func last(d time.Duration) { <-time.After(d) }

// restart ends all gateways, as a reboot of the store's machine does, and starts them
// again, which is when the fault begins.
func (w *world) restart(between func()) {
	var ending sync.WaitGroup
	for _, s := range w.tills {
		ending.Go(s.gateway().Close)
	}
	ending.Wait()
	between()
	for _, s := range w.tills {
		s.begin()
	}
	w.began = time.Now()
}

// savedWhileItRan is what a till's gateway has kept of itself so far, and how fresh it
// was then.
func (w *world) savedWhileItRan(s *till) (snapshot []byte, current time.Time) {
	w.t.Helper()
	w.wait("there is a snapshot", func(s *till) bool { _, err := os.Stat(s.snapshot); return err == nil })
	snapshot, err := os.ReadFile(s.snapshot)
	w.must(err)
	var header struct {
		Current events.Timestamp `json:"current"`
	}
	w.must(json.Unmarshal(bytes.SplitN(snapshot, []byte("\n"), 3)[1], &header))
	return snapshot, header.Current.Time()
}

func damage(t *testing.T, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s *till) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// judge compares what a till saw with what the table says.
func (s *till) judge(want outcome, healed time.Time) {
	t := s.world.t
	t.Helper()
	course := s.course(s.world.began)
	if !s.saw(want, course) {
		t.Errorf("%s: the till sees %q, want %q", s.policy, course, want)
	}
	if all := s.course(time.Time{}); strings.Contains(all, "Unauthorized") {
		t.Errorf("%s: somebody who is signed in is refused: %q", s.policy, all)
	}
	s.judgeTurn(want)
	late := s.latest(time.Time{}, time.Now())
	if s.policy == gateway.FailOpen {
		// It may go on as long as the fault lasts, and not for longer.
		late = s.latest(healed.Add(healing), time.Now())
	}
	t.Logf("%s: somebody was admitted %v after their end", s.policy, late.Round(time.Millisecond))
	if allowed := s.allowed(); late > allowed {
		t.Errorf("%s: somebody is admitted %v after their end was acknowledged, want %v at most", s.policy, late, allowed)
	}
}

// judgeTurn holds the durations of an outcome: when the answers turn.
// However busy the machine is, an answer is decided after its request began and before it
// ended, so that none that is later than what is compared here is the machine's fault.
func (s *till) judgeTurn(want outcome) {
	s.world.t.Helper()
	var from, until time.Time
	to := http.StatusServiceUnavailable
	switch want {
	case stops, stopsLater:
		from, until = s.news.Add(s.allowed()), s.world.struck.Add(s.allowed())
	case killed, killedLater:
		from, until = s.news.Add(s.allowed()), s.news.Add(s.allowed())
	case opens:
		from, until, to = s.starts.Add(bound), s.started.Add(bound), http.StatusOK
	case loadsOrOpens:
		until, to = s.started.Add(bound), http.StatusOK
	default:
		return
	}
	before, after := s.turn(s.world.began, to)
	if early := from.Sub(after.ended); early > exact {
		s.world.t.Errorf("%s: the till sees the change %v too early, want %q", s.policy, early, want)
	}
	if late := before.began.Sub(until); late > exact {
		s.world.t.Errorf("%s: the till sees the change %v too late, want %q", s.policy, late, want)
	}
}

// saw reports whether a course is one that an outcome allows. A burst may make a
// gateway stale if the relay was about as late with it as the gateway's bound.
func (s *till) saw(want outcome, course string) bool {
	if (want == keepsUp || want == keepsUpLater) && s.world.behind > s.allowed()-time.Second {
		course = strings.ReplaceAll(course, ", "+stale+", passes", "")
	}
	return slices.Contains(courses[want], course)
}

// allowed is how long after its end a session may be admitted.
func (s *till) allowed() time.Duration {
	if s.policy == gateway.Grace(grace) {
		return bound + grace
	}
	return bound
}
