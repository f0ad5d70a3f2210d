package projector_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/activesessions/memstore"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/services/projector"
)

// inEveryStore runs a test once per kind of read model.
func inEveryStore(t *testing.T, test func(*rig, store)) {
	t.Helper()
	for name, open := range map[string]func(*testing.T) store{
		"memory":   func(*testing.T) store { return memstore.New(memstore.Config{}) },
		"postgres": openPostgres,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t) // ends last
			test(setup(t), s)
		})
	}
}

func TestALoginShowsWithItsDevice(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig, s store) {
		p := r.run(s)
		position := r.append(login("carl", "c1"), login("carl", "c2"), login("anna", "a1"), revoked("carl", "c2"))
		if err := s.WaitFor(r.Context(), position); err != nil {
			r.Fatal(err)
		}
		page, err := s.Users(r.Context(), activesessions.UsersQuery{Tenant: "shop", Now: time.Now()})
		if err != nil || page.Total != 2 || page.Sessions != 2 {
			r.Fatalf("users are %+v, %v", page, err)
		}
		sessions, _, err := s.Sessions(r.Context(), activesessions.SessionsQuery{Tenant: "shop", User: "carl", Now: time.Now()})
		if err != nil || len(sessions) != 1 || sessions[0].Session != "c1" || sessions[0].Device.Application != "ios_app" {
			r.Fatalf("sessions are %+v, %v", sessions, err)
		}
		eventually(r.T, "the projector is ready", func() bool { return p.Ready() == nil })
		if parsed := r.metric(p, "posse_projector_devices_parsed_total"); parsed != 1 {
			r.Errorf("%v devices were parsed, want the one user agent once", parsed)
		}
	})
}

func TestAnyOrderBetweenStreamsAndAnyRepetition(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig, s store) {
		now := time.Now()
		r.touch(touched("carl", "c1", now.Add(time.Minute)), touched("anna", "a1", now))
		r.run(s)
		r.shows(s)
		first := login("carl", "c1")
		r.append(revoked("anna", "a1"), first, first, login("anna", "a1"), revoked("carl", "c2"), login("carl", "c2"))
		r.touch(touched("carl", "c1", now.Add(time.Second)), touched("anna", "a1", now.Add(time.Minute)))
		r.shows(s)

		sessions, _, err := s.Sessions(r.Context(), activesessions.SessionsQuery{Tenant: "shop", User: "carl", Now: now})
		if err != nil || len(sessions) != 1 || !sessions[0].LastActive.Equal(now.Add(time.Minute).UTC().Truncate(time.Millisecond)) {
			r.Errorf("carl's sessions are %+v, %v", sessions, err)
		}
		if sessions, _, err := s.Sessions(r.Context(), activesessions.SessionsQuery{Tenant: "shop", User: "anna", Now: now}); err != nil || len(sessions) != 0 {
			r.Errorf("a late touch brought back %+v, %v", sessions, err)
		}
	})
}

func TestRebuiltEqualsLive(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig, s store) {
		// The touches that the stream no longer holds are in the live model only
		// while they are the greatest, and then they are its last ones too; so times
		// rise here as they do in life.
		p := r.run(s, func(c *projector.Config) { c.MaxBatch = 7 })
		now := time.Now()
		for i := range 100 {
			user, session := fmt.Sprint("u", i%5), fmt.Sprint("s", i%20)
			switch i % 4 {
			case 0:
				r.append(login(user, session))
			case 1:
				r.touch(touched(user, session, now.Add(time.Duration(i)*time.Second)))
			case 2:
				r.append(login(user, session), revoked(user, fmt.Sprint("s", i%13)))
			default:
				r.touch(touched(user, fmt.Sprint("s", i%13), now.Add(time.Duration(i)*time.Second)))
			}
		}
		r.shows(s)
		if live, rebuilt := r.dump(s), r.dump(r.rebuilt()); live != rebuilt {
			r.Errorf("live:\n%s\nrebuilt:\n%s", live, rebuilt)
		}
		if err := p.Ready(); err != nil {
			r.Error(err)
		}
	})
}

func TestRestartContinues(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig, s store) {
		p := r.run(s)
		r.append(login("carl", "c1"), login("carl", "c2"))
		r.touch(touched("carl", "c1", time.Now()))
		r.shows(s)
		if err := p.stop(); err != nil {
			r.Fatal(err)
		}
		r.append(revoked("carl", "c1"))
		again := r.run(s)
		r.shows(s)
		eventually(r.T, "one event was applied after the restart", func() bool { return r.metric(again, "posse_projector_events_total") == 1 })
		if live, rebuilt := r.dump(s), r.dump(r.rebuilt()); live != rebuilt {
			r.Errorf("live:\n%s\nrebuilt:\n%s", live, rebuilt)
		}
	})
}

func TestHaltsOnARecreatedLog(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig, s store) {
		before := r.projectThenRecreate(s, events.StreamSessions)
		halted := r.run(s)
		eventually(r.T, "the projector halts", func() bool { return errors.Is(halted.Ready(), projector.ErrHalted) })
		if !errors.Is(halted.Ready(), eventlog.ErrGap) || r.metric(halted, "posse_projector_halted") != 1 {
			r.Errorf("halted with %v", halted.Ready())
		}
		if err := halted.stop(); !errors.Is(err, projector.ErrHalted) {
			r.Errorf("Run ended with %v", err)
		}
		if at, err := s.Checkpoint(r.Context(), events.StreamSessions); err != nil || at != before {
			r.Errorf("the read model went on from %+v to %+v, %v", before, at, err)
		}
	})
}

func TestLostTouchesAreNoReasonToHalt(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig, s store) {
		before := r.projectThenRecreate(s, events.StreamTouches)
		p := r.run(s)
		eventually(r.T, "the touches that are left are projected", func() bool {
			at, err := s.Checkpoint(r.Context(), events.StreamTouches)
			return err == nil && !at.Created.Equal(before.Created) && at.Sequence == 2 && p.Ready() == nil
		})
		sessions, _, err := s.Sessions(r.Context(), activesessions.SessionsQuery{Tenant: "shop", User: "anna", Now: time.Now()})
		if err != nil || len(sessions) != 2 {
			r.Fatalf("anna's sessions: %+v, %v", sessions, err)
		}
		for _, each := range sessions {
			if !each.LastActive.After(each.Created) {
				r.Errorf("the touch of %s is not shown", each.Session)
			}
		}
	})
}

// projectThenRecreate projects a little, stops, makes a stream anew and writes to
// it. It returns where the read model stands in the old one.
func (r *rig) projectThenRecreate(s store, stream string) eventlog.Position {
	r.Helper()
	p := r.run(s)
	r.append(login("carl", "c1"))
	r.touch(touched("carl", "c1", time.Now()))
	r.shows(s)
	if err := p.stop(); err != nil {
		r.Fatal(err)
	}
	before, err := s.Checkpoint(r.Context(), stream)
	if err != nil {
		r.Fatal(err)
	}
	r.recreate(stream)
	r.append(login("anna", "a1"), login("anna", "a2"))
	later := time.Now().Add(time.Second)
	r.touch(touched("anna", "a1", later), touched("anna", "a2", later))
	return before
}

func TestTwoProjectorsAtOnce(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig, s store) {
		small := func(c *projector.Config) { c.MaxBatch = 3 }
		one, two := r.run(s, small), r.run(s, small)
		var writers sync.WaitGroup
		for w := range 4 {
			writers.Go(func() {
				for i := range 50 {
					_, err := r.log.Append(r.Context(), []events.Envelope{{
						ID: fmt.Sprintf("two-%d-%d", w, i), Source: "/test", Time: time.Now(), Event: login(fmt.Sprint("u", w), fmt.Sprint("s", i)),
					}}, nil)
					if err != nil {
						r.Error(err)
					}
				}
			})
		}
		writers.Wait()
		r.shows(s)
		eventually(r.T, "both are ready", func() bool { return one.Ready() == nil && two.Ready() == nil })
		if applied := r.metric(one, "posse_projector_events_total") + r.metric(two, "posse_projector_events_total"); applied != 200 {
			r.Errorf("%v events were applied, want each of 200 once", applied)
		}
		// Whoever is left goes on.
		if err := one.stop(); err != nil {
			r.Fatal(err)
		}
		r.append(revoked("u0", "s0"))
		r.shows(s)
		if live, rebuilt := r.dump(s), r.dump(r.rebuilt()); live != rebuilt {
			r.Errorf("live:\n%s\nrebuilt:\n%s", live, rebuilt)
		}
	})
}

// failing fails as often as it is told to.
func failing(times *atomic.Int32, reason string) error {
	if times.Add(-1) < 0 {
		return nil
	}
	return errors.New(reason)
}

func TestAFailedBatchIsTriedAgain(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig, s store) {
		var before, after atomic.Int32
		before.Store(3)
		after.Store(1)
		f := &faulty{
			store:  s,
			before: func() error { return failing(&before, "connection refused") },
			after:  func() error { return failing(&after, "connection lost during commit") },
		}
		p := r.run(f)
		r.append(login("carl", "c1"), login("carl", "c2"))
		r.shows(s)
		r.append(login("carl", "c3"))
		r.shows(s)
		if live, rebuilt := r.dump(s), r.dump(r.rebuilt()); live != rebuilt {
			r.Errorf("live:\n%s\nrebuilt:\n%s", live, rebuilt)
		}
		if failures := r.metric(p, "posse_projector_failures_total"); failures != 4 {
			r.Errorf("%v failures are counted, want 4", failures)
		}
	})
}

func TestAnnouncementsComeAfterTheCommit(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig, s store) {
		heard := r.listen(func(c events.Changed) {
			fresh, err := s.Freshness(r.Context())
			if err != nil || fresh.Position < c.Position || fresh.Touches < c.Touches {
				r.Errorf("announced %+v while the read model shows %+v, %v", c, fresh, err)
			}
		})
		r.run(s)
		position := r.append(login("carl", "c1"), login("anna", "a1"))
		eventually(r.T, "both logins are announced", func() bool {
			var users []string
			for _, c := range heard.all() {
				users = append(users, c.Users...)
			}
			last := heard.all()
			return slices.Contains(users, "carl") && slices.Contains(users, "anna") && last[len(last)-1].Position == position
		})
	})
}

func TestAnnouncementsAreNumbered(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig, s store) {
		heard := r.listen(nil)
		sources := map[string]uint64{} // and their last number
		for run := range 2 {
			p := r.run(s)
			for i := range 3 {
				position := r.append(login(fmt.Sprint("u", run), fmt.Sprint("s", i)))
				eventually(r.T, "a login is announced", func() bool {
					all := heard.all()
					return len(all) > 0 && all[len(all)-1].Position == position
				})
			}
			if err := p.stop(); err != nil {
				r.Error(err)
			}
		}
		for _, c := range heard.all() {
			if c.Number != sources[c.Source]+1 {
				r.Errorf("after %d of %q comes %d", sources[c.Source], c.Source, c.Number)
			}
			sources[c.Source] = c.Number
		}
		if len(sources) != 2 || sources[""] != 0 {
			r.Errorf("two runs are known as %v", sources)
		}
	})
}

func TestTouchesAreAnnouncedTogether(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig, s store) {
		for i := range 100 {
			r.append(login(fmt.Sprint("u", i), "s"))
		}
		r.run(s, func(c *projector.Config) { c.AnnounceEvery = 300 * time.Millisecond; c.MaxBatch = 5 })
		r.shows(s)
		heard := r.listen(nil)
		var touches []events.Touched
		for i := range 100 {
			touches = append(touches, touched(fmt.Sprint("u", i), "s", time.Now().Add(time.Minute)))
		}
		r.touch(touches...)
		users := map[string]bool{}
		eventually(r.T, "all touches are announced", func() bool {
			for _, c := range heard.all() {
				for _, u := range c.Users {
					users[u] = true
				}
			}
			return len(users) == 100
		})
		if n := len(heard.all()); n > 10 {
			r.Errorf("100 touches in 20 batches made %d announcements", n)
		}
	})
}

func TestAnIdleReadModelStaysYoung(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig, s store) {
		r.run(s)
		r.append(login("carl", "c1"))
		r.shows(s)
		start := time.Now()
		eventually(r.T, "the read model is known to be current", func() bool {
			fresh, err := s.Freshness(r.Context())
			return err == nil && fresh.AsOf.After(start)
		})
	})
}

// loginAgo is a login of a session that lived for an hour, so many days ago.
func loginAgo(tenant, session string, ago int) events.LoggedIn {
	e := login("carl", session)
	e.Tenant = tenant
	at := time.Now().Add(-time.Duration(ago) * days)
	e.EventTimestamp, e.Created = events.TimestampOf(at.Add(-time.Hour)), events.TimestampOf(at.Add(-time.Hour))
	e.Expires = events.TimestampOf(at)
	return e
}

func TestOldSessionsAreSwept(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig, s store) {
		r.append(loginAgo("shop", "old", 404), loginAgo("shop", "ended", 402), login("carl", "new"),
			loginAgo("careful", "kept", 404), loginAgo("careful", "older", 501))
		told := &swept{}
		r.run(s, func(c *projector.Config) {
			c.Retention = projector.Retention{Tenants: map[string]time.Duration{"careful": 500 * days}}
			c.SweepEvery, c.Swept = 10*time.Millisecond, told.hear
		})
		r.shows(s)
		eventually(r.T, "what is old is gone", func() bool { return r.isGone(s, "shop", "old") && r.isGone(s, "careful", "older") })
		for session, tenant := range map[string]string{"ended": "shop", "new": "shop", "kept": "careful"} {
			if r.isGone(s, tenant, session) {
				r.Errorf("session %s of %s is gone too", session, tenant)
			}
		}
		for tenant, keep := range map[string]time.Duration{"shop": projector.MinRetention, "careful": 500 * days} {
			old := told.of(tenant)
			if len(old) != 1 || old[0].Sessions != 1 || time.Since(old[0].Before) < keep {
				r.Errorf("%+v was told of %s, want one session of before %v ago, once", old, tenant, keep)
			}
		}
	})
}

// Nothing is taken before it is recorded, and a sweep that could not be recorded is
// recorded when it is tried again.
func TestASweepIsRecordedFirst(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig, s store) {
		r.append(loginAgo("shop", "old", 404))
		told := &swept{}
		told.fail(errors.New("no audit log"))
		told.watch = func(old projector.Swept) {
			if r.isGone(s, old.Tenant, "old") {
				r.Error("the session was gone when it was told of")
			}
		}
		r.run(s, func(c *projector.Config) { c.SweepEvery, c.Swept = 10*time.Millisecond, told.hear })
		eventually(r.T, "two sweeps were refused", func() bool { return len(told.of("shop")) >= 2 })
		if r.isGone(s, "shop", "old") {
			r.Error("a session is gone of which there is no record")
		}
		told.fail(nil)
		eventually(r.T, "the session is gone", func() bool { return r.isGone(s, "shop", "old") })
	})
}

func TestARetentionBelowTheFloorIsRefused(t *testing.T) {
	t.Parallel()
	_, err := projector.New(projector.Config{
		Log: &natslog.Log{}, Store: memstore.New(memstore.Config{}), Retention: projector.Retention{Default: projector.MinRetention - 1},
	})
	if !errors.Is(err, projector.ErrRetention) {
		t.Errorf("a nanosecond too short: %v, want ErrRetention", err)
	}
}

// swept hears of sweeps.
type swept struct {
	mu    sync.Mutex
	old   []projector.Swept
	err   error
	watch func(projector.Swept)
}

func (s *swept) hear(_ context.Context, old projector.Swept) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.old = append(s.old, old)
	if s.watch != nil {
		s.watch(old)
	}
	return s.err
}

func (s *swept) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *swept) of(tenant string) []projector.Swept {
	s.mu.Lock()
	defer s.mu.Unlock()
	var of []projector.Swept
	for _, old := range s.old {
		if old.Tenant == tenant {
			of = append(of, old)
		}
	}
	return of
}

func (r *rig) isGone(s store, tenant, session string) bool {
	_, _, err := s.Session(r.Context(), tenant, session)
	return errors.Is(err, activesessions.ErrNotFound)
}

func TestAServerThatComesBackIsFollowedOn(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig, s store) {
		p := r.run(s)
		r.append(login("carl", "c1"))
		r.shows(s)
		r.server.Restart()
		eventually(r.T, "the log is back", func() bool {
			_, err := r.log.State(r.Context(), events.StreamSessions)
			return err == nil
		})
		r.append(login("carl", "c2"))
		r.touch(touched("carl", "c2", time.Now()))
		r.shows(s)
		if err := p.Ready(); err != nil {
			r.Error(err)
		}
		if live, rebuilt := r.dump(s), r.dump(r.rebuilt()); live != rebuilt {
			r.Errorf("live:\n%s\nrebuilt:\n%s", live, rebuilt)
		}
	})
}

// The recorder may end between the fact that a user is forgotten and destroying the
// keys, and the last touches of the stream may be the user's.
func TestAUserIsForgotten(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig, s store) {
		named := login("anna", "a1")
		named.Personal.DisplayName = "Anna Canary"
		r.append(login("carl", "c1"), named)
		// That she was active after she signed in is forgotten with her last touch.
		r.touch(touched("carl", "c1", time.Now()), touched("anna", "a1", named.Created.Time()))
		r.run(s)
		r.shows(s)
		keys, err := r.log.Keys(r.Context(), "shop", "anna")
		if err != nil || len(keys) != 1 {
			r.Fatalf("anna's keys are %v, %v", keys, err)
		}
		r.append(revoked("anna", "a1"), events.Forgotten{
			Tenant: "shop", User: "anna", EventTimestamp: events.TimestampOf(time.Now()),
			InitiatingEntity: events.InitiatedByAdmin, CommandID: "forget", Keys: keys,
		})
		r.shows(s)
		if keys, err := r.log.Keys(r.Context(), "shop", "anna"); err != nil || len(keys) != 0 {
			r.Errorf("anna's keys are %v, %v; want none", keys, err)
		}
		if _, err := r.log.LastTouch(r.Context(), key("anna", "a1")); !errors.Is(err, eventlog.ErrNotFound) {
			r.Errorf("anna's last touch: %v, want none", err)
		}
		fresh := memstore.New(memstore.Config{})
		anew := r.run(fresh, func(c *projector.Config) { c.Bus = nil })
		eventually(r.T, "a projector that starts anew reaches the end", func() bool { return anew.Ready() == nil })
		if live, rebuilt := r.dump(s), r.dump(fresh); live != rebuilt || strings.Contains(live, "Canary") {
			r.Errorf("live:\n%s\nrebuilt:\n%s", live, rebuilt)
		}
	})
}

// The keys of a quarter go when the whole of it is older than the tenant keeps, and
// whether there are sessions to sweep or not.
func TestKeysOfOldQuartersAreDestroyed(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig, s store) {
		for _, tenant := range []string{"shop", "careful"} {
			named := login("carl", tenant)
			named.Tenant, named.Personal.DisplayName = tenant, "Carl"
			r.append(named)
		}
		told := &swept{}
		r.run(s, func(c *projector.Config) {
			c.Now = func() time.Time { return time.Now().Add(500 * days) }
			c.Retention = projector.Retention{Tenants: map[string]time.Duration{"careful": 700 * days}}
			c.SweepEvery, c.Swept = 10*time.Millisecond, told.hear
		})
		keys := func(tenant string) int {
			ids, err := r.log.Keys(r.Context(), tenant, "carl")
			if err != nil {
				r.Fatal(err)
			}
			return len(ids)
		}
		eventually(r.T, "the keys of shop are destroyed", func() bool { return keys("shop") == 0 })
		if keys("careful") != 1 {
			r.Error("the keys of careful are destroyed too")
		}
		if of := told.of("shop"); len(of) == 0 || of[0].Keys != 1 {
			r.Errorf("of shop %+v was told, want one key", of)
		}
		if of := told.of("careful"); slices.ContainsFunc(of, func(s projector.Swept) bool { return s.Keys > 0 }) {
			r.Errorf("of careful %+v was told, want no keys", of)
		}
	})
}
