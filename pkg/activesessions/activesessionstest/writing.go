package activesessionstest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/device"
	"github.com/posse-pos/posse/pkg/eventlog"
)

func onlyOneWriterGoesOn(t *testing.T, factory Factory) {
	s := open(t, factory)
	s.happens(s.login("ana", "1"))
	rival := *s
	mine, theirs := s.batches([]events.Event{s.login("ana", "2")})[0], rival.batches([]events.Event{s.login("ben", "3")})[0]
	errs := make([]error, 2)
	var both sync.WaitGroup
	for i, batch := range []activesessions.Batch{mine, theirs} {
		both.Go(func() { _, errs[i] = s.store.Apply(t.Context(), batch) })
	}
	both.Wait()
	if fenced := errors.Is(errs[0], activesessions.ErrFenced); fenced == errors.Is(errs[1], activesessions.ErrFenced) {
		t.Fatalf("of two writers these errors came, want exactly one ErrFenced: %v, %v", errs[0], errs[1])
	}
	for _, err := range errs {
		if err != nil && !errors.Is(err, activesessions.ErrFenced) {
			t.Fatalf("apply: %v", err)
		}
	}
	if page := s.users(activesessions.UsersQuery{}); page.Sessions != 2 {
		t.Errorf("%d sessions are listed, want 2: nothing of a fenced batch may stay", page.Sessions)
	}
	// A repetition of what was applied is fenced too.
	if _, err := s.store.Apply(t.Context(), mine); !errors.Is(err, activesessions.ErrFenced) {
		t.Errorf("repeating a batch: %v, want ErrFenced", err)
	}
	anotherLog := s.sessions
	anotherLog.Created = anotherLog.Created.Add(time.Nanosecond)
	elsewhere := activesessions.Batch{From: anotherLog, To: next(anotherLog)}
	if _, err := s.store.Apply(t.Context(), elsewhere); !errors.Is(err, activesessions.ErrFenced) {
		t.Errorf("a position in another log of that name: %v, want ErrFenced", err)
	}
}

func batchThatGoesBackIsRefused(t *testing.T, factory Factory) {
	s := open(t, factory)
	s.happens(s.login("ana", "1"))
	back := activesessions.Batch{From: s.sessions, To: eventlog.Position{Stream: events.StreamSessions}}
	if _, err := s.store.Apply(t.Context(), back); err == nil || errors.Is(err, activesessions.ErrFenced) {
		t.Errorf("a batch that goes back: %v, want an error of its own", err)
	}
	over := activesessions.Batch{From: s.touches, To: eventlog.Position{Stream: events.StreamTouches}}
	if _, err := s.store.Apply(t.Context(), over); err != nil {
		t.Errorf("touches start over: %v", err)
	}
	across := activesessions.Batch{From: s.sessions, To: next(s.touches)}
	if _, err := s.store.Apply(t.Context(), across); err == nil || errors.Is(err, activesessions.ErrFenced) {
		t.Errorf("a batch from one stream into another: %v, want an error of its own", err)
	}
}

func positionsAreRemembered(t *testing.T, factory Factory) {
	s := open(t, factory)
	checkpoint := func(stream string) eventlog.Position {
		at, err := s.store.Checkpoint(t.Context(), stream)
		if err != nil {
			t.Fatalf("checkpoint: %v", err)
		}
		return at
	}
	if diff := cmp.Diff(s.sessions, checkpoint(events.StreamSessions)); diff != "" {
		t.Errorf("position at the start (-want +got):\n%s", diff)
	}
	s.happens(s.login("ana", "1"), s.touch("ana", "1"), s.login("ana", "2"))
	if diff := cmp.Diff(s.sessions, checkpoint(events.StreamSessions)); diff != "" {
		t.Errorf("position (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(s.touches, checkpoint(events.StreamTouches)); diff != "" {
		t.Errorf("position of touches (-want +got):\n%s", diff)
	}
	// A batch in which everything went to quarantine moves on too.
	to := next(s.sessions)
	if _, err := s.store.Apply(t.Context(), activesessions.Batch{From: s.sessions, To: to}); err != nil {
		t.Fatalf("apply an empty batch: %v", err)
	}
	if diff := cmp.Diff(to, checkpoint(events.StreamSessions)); diff != "" {
		t.Errorf("position after an empty batch (-want +got):\n%s", diff)
	}
}

func resetForgets(t *testing.T, factory Factory) {
	s := open(t, factory)
	s.happens(s.login("ana", "1"), s.touch("ana", "1"))
	before := s.dump()
	if err := s.store.Reset(t.Context()); err != nil {
		t.Fatalf("reset: %v", err)
	}
	if got := s.dump(); got != "" {
		t.Errorf("after a reset there are rows:\n%s", got)
	}
	if page := s.users(activesessions.UsersQuery{}); page.Total != 0 || page.Sessions != 0 || page.Position != 0 {
		t.Errorf("after a reset there is %+v", page)
	}
	s.sessions, s.touches = eventlog.Position{Stream: events.StreamSessions}, eventlog.Position{Stream: events.StreamTouches}
	s.happens(s.login("ana", "1"), s.touch("ana", "1"))
	if diff := cmp.Diff(before, s.dump()); diff != "" {
		t.Errorf("rebuilt (-before +after):\n%s", diff)
	}
}

func devicesAreKnownByVersion(t *testing.T, factory Factory) {
	s := open(t, factory)
	login := s.login("ana", "1")
	hash := activesessions.DeviceHash(login)
	known := func(version string) map[string]device.Device {
		devices, err := s.store.Devices(t.Context(), version, []string{hash, "another"})
		if err != nil {
			t.Fatalf("devices: %v", err)
		}
		return devices
	}
	if got := known(device.Version); len(got) != 0 {
		t.Errorf("a new store knows devices: %v", got)
	}
	batch := s.batches([]events.Event{login})[0]
	if _, err := s.store.Apply(t.Context(), batch); err != nil {
		t.Fatalf("apply: %v", err)
	}
	if diff := cmp.Diff(batch.Devices, known(device.Version)); diff != "" {
		t.Errorf("known devices (-want +got):\n%s", diff)
	}
	if got := known("0"); len(got) != 0 {
		t.Errorf("another version of the parser knows devices: %v", got)
	}
	// The next login with that device need not bring it along.
	batch = s.batches([]events.Event{s.login("ben", "2")})[0]
	want := batch.Devices[hash]
	batch.Devices = nil
	if _, err := s.store.Apply(t.Context(), batch); err != nil {
		t.Fatalf("apply: %v", err)
	}
	if got := s.list(activesessions.SessionsQuery{User: "ben"})[0].Device; got != want {
		t.Errorf("a session on a known device has %+v, want %+v", got, want)
	}
}

func freshnessFollowsTheLog(t *testing.T, factory Factory) {
	s := open(t, factory)
	s.happens(s.login("ana", "1"), s.touch("ana", "1"), s.touch("ana", "1"))
	freshness := func() activesessions.Freshness {
		f, err := s.store.Freshness(t.Context())
		if err != nil {
			t.Fatalf("freshness: %v", err)
		}
		return f
	}
	want := activesessions.Freshness{Position: 1, Touches: 2, AsOf: opening}
	if diff := cmp.Diff(want, freshness()); diff != "" {
		t.Errorf("after a batch (-want +got):\n%s", diff)
	}
	want.AsOf = s.advance(time.Minute)
	for _, at := range []time.Time{s.Now(), opening} { // it never goes back
		if err := s.store.Current(t.Context(), events.StreamSessions, at); err != nil {
			t.Fatalf("current: %v", err)
		}
	}
	if err := s.store.Current(t.Context(), events.StreamTouches, s.Now().Add(time.Hour)); err != nil {
		t.Fatalf("current: %v", err)
	}
	if diff := cmp.Diff(want, freshness()); diff != "" {
		t.Errorf("an idle log (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, s.users(activesessions.UsersQuery{}).Freshness); diff != "" {
		t.Errorf("a page (-want +got):\n%s", diff)
	}
}

func readerWaits(t *testing.T, factory Factory) {
	s := open(t, factory)
	if err := s.store.WaitFor(t.Context(), 0); err != nil {
		t.Errorf("waiting for the start: %v", err)
	}
	var readers errgroup.Group
	for range 20 {
		readers.Go(func() error { return s.store.WaitFor(t.Context(), 2) })
	}
	s.happens(s.login("ana", "1"))
	s.happens(s.touch("ana", "1"), s.login("ana", "2"))
	if err := readers.Wait(); err != nil {
		t.Errorf("waiting for what comes: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.store.WaitFor(ctx, 3); !errors.Is(err, activesessions.ErrBehind) {
		t.Errorf("waiting for what does not come: %v, want ErrBehind", err)
	}
}

func changedUsersAreNamed(t *testing.T, factory Factory) {
	s := open(t, factory)
	ana, ben := activesessions.UserRef{Tenant: tenant, User: "ana"}, activesessions.UserRef{Tenant: tenant, User: "ben"}
	login := s.login("ana", "1")
	expectRefs(t, s.happens(login, s.login("ana", "2"), s.login("ben", "3")), ana, ben)
	s.advance(time.Minute)
	expectRefs(t, s.happens(s.touch("ben", "3")), ben)
	expectRefs(t, s.happens(s.end("ana", "2"), s.end("ana", "1")), ana)
	expectRefs(t, s.happens(events.Unknown{Key: key("ana", "1"), Type: "session.renamed", Version: 1}))
}

func expectRefs(t *testing.T, got []activesessions.UserRef, want ...activesessions.UserRef) {
	t.Helper()
	set := map[activesessions.UserRef]int{}
	for _, ref := range got {
		set[ref]++
	}
	for _, ref := range want {
		set[ref]--
	}
	for ref, n := range set {
		if n != 0 {
			t.Errorf("changed users are %v, want %v: %v", got, want, ref)
		}
	}
}
