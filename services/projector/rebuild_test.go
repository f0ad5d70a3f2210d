package projector_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/activesessions/pgstore"
	"github.com/posse-pos/posse/pkg/pgtest"
	"github.com/posse-pos/posse/services/projector"
)

// rebuilding is a read model in PostgreSQL that serves, with a projector at work.
type rebuilding struct {
	*rig

	url  string
	live store
}

func newRebuilding(t *testing.T) *rebuilding {
	t.Helper()
	url := pgtest.New(t)
	live, err := pgstore.Open(t.Context(), pgstore.Config{URL: url, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(live.Close)
	return &rebuilding{rig: setup(t), url: url, live: live}
}

// rebuild runs a rebuild with the batches of a size, until its end or the context's.
func (r *rebuilding) rebuild(ctx context.Context, size int) (done projector.Rebuilt, resumed bool, err error) {
	quiet := slog.New(slog.DiscardHandler)
	next, err := pgstore.OpenRebuild(ctx, pgstore.RebuildConfig{Config: pgstore.Config{URL: r.url, Logger: quiet}})
	if err != nil {
		return done, false, err
	}
	defer next.Close() //nolint:contextcheck // it closes whether or not ctx has ended
	done, err = projector.Rebuild(ctx, projector.RebuildConfig{
		Log: r.log, Store: next, Bus: r.conn, MaxBatch: size, Logger: quiet,
	})
	return done, next.Resumed, err
}

// history fills the log with what a read model can hold.
func (r *rebuilding) history(users int) {
	r.Helper()
	for i := range users {
		user := fmt.Sprintf("user-%d", i)
		r.append(login(user, user+"-a"), login(user, user+"-b"), revoked(user, user+"-b"))
		r.touch(touched(user, user+"-a", time.Now().Add(time.Duration(i)*time.Second)))
	}
	forgotten := events.Forgotten{
		Tenant: "shop", User: "user-0", EventTimestamp: events.TimestampOf(time.Now()),
		InitiatingEntity: events.InitiatedByAdmin, CommandID: "forget",
	}
	keys, err := r.log.Keys(r.Context(), "shop", "user-0")
	if err != nil {
		r.Fatal(err)
	}
	forgotten.Keys = keys
	r.append(revoked("user-0", "user-0-a"), forgotten)
	if err := r.log.Destroy(r.Context(), forgotten); err != nil {
		r.Fatal(err)
	}
}

// While people sign in, everybody asks, and a rebuild is interrupted again and again,
// no answer is missing or older than one before, and nothing is lost in the end.
func TestRebuildWhileItServes(t *testing.T) {
	t.Parallel()
	r := newRebuilding(t)
	r.history(60)
	r.run(r.live)
	r.shows(r.live)
	var everybody sync.WaitGroup
	stop := make(chan struct{})
	everybody.Go(func() { r.signIn(stop) })
	for range 3 {
		everybody.Go(func() { r.ask(stop) })
	}
	interrupted := 0
	for {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(20+rand.IntN(60*(interrupted+1)))*time.Millisecond)
		_, _, err := r.rebuild(ctx, 20)
		cancel()
		if err == nil {
			break
		}
		if ctx.Err() == nil {
			t.Errorf("a rebuild failed: %v", err)
			break
		}
		interrupted++
	}
	close(stop)
	everybody.Wait()
	if interrupted == 0 {
		t.Error("nothing interrupted the rebuild")
	}
	r.shows(r.live)
	r.same()
}

// same compares the read model with one that is made anew in memory.
func (r *rebuilding) same() {
	r.Helper()
	if got, want := r.dump(r.live), r.dump(r.rebuilt()); got != want {
		r.Errorf("after a rebuild there is\n%s\nwant\n%s", got, want)
	}
}

// signIn has people sign in, move and be signed out until stop is closed.
func (r *rebuilding) signIn(stop <-chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		user, session := fmt.Sprintf("user-%d", i%70+1), fmt.Sprintf("new-%d", i)
		r.append(login(user, session))
		r.touch(touched(user, session, time.Now()))
		if i%3 == 0 {
			position := r.append(revoked(user, session))
			ctx, cancel := context.WithTimeout(r.Context(), 30*time.Second)
			err := r.live.WaitFor(ctx, position)
			cancel()
			if err != nil {
				r.Errorf("nobody sees %d: %v", position, err)
				return
			}
			found, _, err := r.live.Session(r.Context(), "shop", session)
			if err != nil || len(found) != 1 || found[0].End == nil {
				r.Errorf("after the wait for %d the session is %+v, %v; want one that ended", position, found, err)
				return
			}
		}
	}
}

// ask asks until stop is closed.
func (r *rebuilding) ask(stop <-chan struct{}) {
	last := uint64(0)
	for {
		select {
		case <-stop:
			return
		default:
		}
		page, err := r.live.Users(r.Context(), activesessions.UsersQuery{Tenant: "shop", Now: time.Now(), PageSize: 200})
		if err != nil || page.Total < 59 || page.Total != len(page.Users) || page.Position < last {
			r.Errorf("of %d users %d are listed, as of %d after %d: %v", page.Total, len(page.Users), page.Position, last, err)
			return
		}
		last = page.Position
		_, fresh, err := r.live.Sessions(r.Context(), activesessions.SessionsQuery{Tenant: "shop", User: "user-1", Now: time.Now()})
		if err != nil || fresh.Position < last {
			r.Errorf("sessions are as of %d after %d: %v", fresh.Position, last, err)
			return
		}
		last = fresh.Position
	}
}

// What the log stored while no projector ran is there, and the screens are told.
func TestRebuildWithoutAProjector(t *testing.T) {
	t.Parallel()
	r := newRebuilding(t)
	r.history(5)
	heard := r.listen(nil)
	done, resumed, err := r.rebuild(t.Context(), 2000)
	if err != nil || resumed || done.Events != 21 {
		t.Fatalf("%+v, resumed %v, %v; want 21 events", done, resumed, err)
	}
	r.same()
	eventually(t, "everybody is told to read again", func() bool {
		all := heard.all()
		return len(all) == 1 && all[0].Tenant == "shop" && all[0].All && all[0].Position == 17
	})
	r.run(r.live)
	r.append(login("late", "late"))
	r.shows(r.live)
	r.same()
}

// A read model that is ahead of the log, and its projector halted, is what a rebuild is
// for: what it shows is not waited for.
func TestRebuildOfAnotherLog(t *testing.T) {
	t.Parallel()
	r := newRebuilding(t)
	r.history(5)
	p := r.run(r.live)
	r.shows(r.live)
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	r.recreate(events.StreamSessions)
	r.append(login("anna", "a1"))
	p = r.run(r.live)
	eventually(t, "the projector halts", func() bool { return errors.Is(p.Ready(), projector.ErrHalted) })
	if _, _, err := r.rebuild(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	r.same()
	if err := p.stop(); !errors.Is(err, projector.ErrHalted) {
		t.Fatal(err)
	}
	r.run(r.live)
	r.append(login("anna", "a2"))
	r.shows(r.live)
	r.same()
}

// What was begun from another log cannot be continued, and says so.
func TestRebuildBegunFromAnotherLog(t *testing.T) {
	t.Parallel()
	r := newRebuilding(t)
	r.history(5)
	next, err := pgstore.OpenRebuild(t.Context(), pgstore.RebuildConfig{Config: pgstore.Config{URL: r.url, Logger: slog.New(slog.DiscardHandler)}})
	if err != nil {
		t.Fatal(err)
	}
	p := r.run(next)
	r.shows(next)
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.rebuild(t.Context(), 5); !errors.Is(err, pgstore.ErrRebuilding) {
		t.Errorf("a second rebuild: %v", err)
	}
	next.Close()
	r.recreate(events.StreamSessions)
	r.append(login("anna", "a1"))
	if _, resumed, err := r.rebuild(t.Context(), 5); !resumed || !errors.Is(err, projector.ErrHalted) {
		t.Errorf("resumed %v: %v, want it halted", resumed, err)
	}
	if dropped, err := pgstore.Abandon(t.Context(), pgstore.Config{URL: r.url}); !dropped || err != nil {
		t.Fatalf("abandoned %v, %v", dropped, err)
	}
	if _, resumed, err := r.rebuild(t.Context(), 5); resumed || err != nil {
		t.Errorf("resumed %v, %v", resumed, err)
	}
	r.same()
}
