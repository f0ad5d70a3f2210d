package fleet_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/fleet"
	"github.com/posse-pos/posse/pkg/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wire stands for the connection: reports arrive when the test says so.
type wire struct {
	mu     sync.Mutex
	handle func(subject string, data []byte)
	calls  int
}

func (w *wire) Publish(subject string, data []byte) error {
	if subject != events.SubjectRollCall || len(data) > 0 {
		return errors.New("unexpected message on " + subject)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	return nil
}

// rollCalls is how often the roll was called.
func (w *wire) rollCalls() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls
}

func (w *wire) Subscribe(subject string, handle func(subject string, data []byte)) (func(), error) {
	if subject != events.GatewayStatusWildcard {
		return nil, errors.New("unexpected subject " + subject)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.handle = handle
	return func() {}, nil
}

func (w *wire) report(s events.GatewayStatus) {
	data, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.handle(events.GatewayStatusSubject(s.Gateway), data)
}

// clock moves only when the test says so.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func setup(t *testing.T) (*fleet.Tracker, *wire, *clock) {
	t.Helper()
	w, c := &wire{}, &clock{now: time.Unix(1_700_000_000, 0)}
	tracker, err := fleet.Track(t.Context(), w, fleet.Config{Settle: -1, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tracker.Close)
	return tracker, w, c
}

func status(gateway string, applied uint64) events.GatewayStatus {
	return events.GatewayStatus{Gateway: gateway, Name: "till " + gateway, Applied: applied, Interval: 2}
}

// now is a context that has ended: Wait answers with what is known.
func now(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestWaitEndsWhenTheLastGatewayConfirms(t *testing.T) {
	t.Parallel()
	tracker, w, c := setup(t)
	w.report(status("a", 10))
	w.report(status("b", 4))

	answer := make(chan fleet.Report)
	go func() { answer <- tracker.Wait(t.Context(), "shop", 7) }()
	for tracker.Waiting() != 1 {
		runtime.Gosched()
	}
	c.advance(12 * time.Millisecond)
	w.report(status("b", 5))
	w.report(status("b", 7))

	got := <-answer
	if got.Total != 2 || len(got.Confirmed) != 2 || len(got.Missing) != 0 || got.Slowest != 12*time.Millisecond {
		t.Fatalf("report is %+v", got)
	}
	if first := got.Confirmed[0]; first.Gateway != "a" || first.After != 0 {
		t.Errorf("first confirmation is %+v, want the gateway that was there before the wait", first)
	}
}

func TestWaitNamesWhoIsMissing(t *testing.T) {
	t.Parallel()
	tracker, w, _ := setup(t)
	w.report(status("a", 10))
	stale := status("b", 9)
	stale.Stale = true
	w.report(stale)

	got := tracker.Wait(now(t), "shop", 10)
	if got.Total != 2 || len(got.Confirmed) != 1 || len(got.Missing) != 1 || got.Missing[0] != (fleet.Missing{Gateway: "b", Name: "till b"}) {
		t.Fatalf("report is %+v", got)
	}
}

func TestGatewaysOfAnotherTenantDoNotCount(t *testing.T) {
	t.Parallel()
	tracker, w, _ := setup(t)
	foreign := status("a", 0)
	foreign.Tenant = "other"
	w.report(foreign)
	own := status("b", 3)
	own.Tenant = "shop"
	w.report(own)

	if got := tracker.Wait(t.Context(), "shop", 3); got.Total != 1 {
		t.Errorf("report is %+v, want one gateway", got)
	}
	if list := tracker.Gateways("shop"); len(list) != 1 || list[0].Gateway != "b" {
		t.Errorf("gateways are %+v, want only b", list)
	}
}

func TestVanishedGatewayIsForgotten(t *testing.T) {
	t.Parallel()
	tracker, w, c := setup(t)
	w.report(status("a", 1))

	c.advance(4 * time.Second)
	if list := tracker.Gateways("shop"); len(list) != 1 || !list[0].Silent {
		t.Fatalf("gateways are %+v, want one that is silent", list)
	}
	c.advance(2 * time.Second)
	if got := tracker.Wait(now(t), "shop", 2); got.Total != 1 {
		t.Fatalf("report is %+v: forgotten too early", got)
	}
	c.advance(1001 * time.Millisecond)
	if got := tracker.Wait(t.Context(), "shop", 2); got.Total != 0 {
		t.Fatalf("report is %+v, want nobody", got)
	}
}

func TestVanishingEndsAWait(t *testing.T) {
	t.Parallel()
	tracker, w, c := setup(t)
	w.report(status("a", 1))
	answer := make(chan fleet.Report)
	go func() { answer <- tracker.Wait(t.Context(), "shop", 2) }()
	for tracker.Waiting() != 1 {
		runtime.Gosched()
	}
	c.advance(time.Minute)
	if got := <-answer; got.Total != 0 {
		t.Errorf("report is %+v, want nobody", got)
	}
}

func TestLeavingGatewayIsForgottenAtOnce(t *testing.T) {
	t.Parallel()
	tracker, w, _ := setup(t)
	w.report(status("a", 1))
	leaving := status("a", 1)
	leaving.Leaving = true
	w.report(leaving)
	if list := tracker.Gateways("shop"); len(list) != 0 {
		t.Errorf("gateways are %+v, want none", list)
	}
}

func TestReportOfAnotherGatewayIsDropped(t *testing.T) {
	t.Parallel()
	tracker, w, _ := setup(t)
	data, err := json.Marshal(status("a", 1))
	if err != nil {
		t.Fatal(err)
	}
	w.handle(events.GatewayStatusSubject("b"), data)
	w.handle(events.GatewayStatusSubject("b"), []byte("not JSON"))
	long := status("c", 1)
	long.Name = strings.Repeat("x", 4<<10)
	w.report(long)
	if list := tracker.Gateways("shop"); len(list) != 0 {
		t.Errorf("gateways are %+v, want none", list)
	}
}

func TestNobodyIsNoConclusionBeforeTheFleetHadTimeToReport(t *testing.T) {
	t.Parallel()
	w := &wire{}
	tracker, err := fleet.Track(t.Context(), w, fleet.Config{Settle: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer tracker.Close()
	answer := make(chan fleet.Report)
	go func() { answer <- tracker.Wait(t.Context(), "shop", 2) }()
	for tracker.Waiting() != 1 {
		runtime.Gosched()
	}
	w.report(status("a", 2))
	if got := <-answer; got.Total != 1 || len(got.Confirmed) != 1 {
		t.Errorf("report is %+v, want the gateway that reported meanwhile", got)
	}
}

func TestReportsComeOverNATS(t *testing.T) {
	t.Parallel()
	conn, err := bus.Connect(t.Context(), bus.Config{URL: natstest.Start(t).URL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	tracker, err := fleet.Track(t.Context(), conn, fleet.Config{Settle: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tracker.Close)
	answer := make(chan fleet.Report)
	publish := func(applied uint64) {
		data, err := json.Marshal(status("a b.c", applied))
		if err == nil {
			err = conn.Publish(events.GatewayStatusSubject("a b.c"), data)
		}
		if err != nil {
			t.Error(err)
		}
	}
	publish(1)
	for len(tracker.Gateways("shop")) == 0 {
		runtime.Gosched()
	}
	go func() { answer <- tracker.Wait(t.Context(), "shop", 5) }()
	publish(5)
	if got := <-answer; len(got.Confirmed) != 1 || got.Confirmed[0].Gateway != "a b.c" {
		t.Errorf("report is %+v", got)
	}
}

func TestTheRollIsCalledWhenSomebodyWantsToKnow(t *testing.T) {
	t.Parallel()
	tracker, w, c := setup(t)
	if n := w.rollCalls(); n != 1 {
		t.Errorf("at the start the roll was called %d times", n)
	}
	tracker.Gateways("shop")
	if n := w.rollCalls(); n != 1 {
		t.Errorf("a moment later it was called %d times", n)
	}
	c.advance(5 * time.Second)
	tracker.Gateways("shop")
	tracker.Wait(now(t), "shop", 1)
	if n := w.rollCalls(); n != 2 {
		t.Errorf("after five seconds it was called %d times", n)
	}
	c.advance(5 * time.Second)
	tracker.Wait(now(t), "shop", 1)
	if n := w.rollCalls(); n != 3 {
		t.Errorf("after another five seconds it was called %d times", n)
	}
}

// TestTheRollIsCalledAgainWhileSomebodyWaits also when every gateway has answered: it
// reports what it applies only for a while after that.
func TestTheRollIsCalledAgainWhileSomebodyWaits(t *testing.T) {
	t.Parallel()
	tracker, w, c := setup(t)
	answer := make(chan fleet.Report)
	behind := status("a", 1)
	behind.Interval = 300
	w.report(behind)
	c.advance(time.Second)
	go func() { answer <- tracker.Wait(t.Context(), "shop", 2) }()
	for tracker.Waiting() != 1 {
		runtime.Gosched()
	}
	if n := w.rollCalls(); n != 2 {
		t.Errorf("a second after the start a Wait had the roll called %d times", n)
	}
	for calls := 3; calls < 6; calls++ {
		w.report(behind)
		c.advance(5 * time.Second)
		eventually(t, fmt.Sprint(calls, " roll calls"), func() bool { return w.rollCalls() == calls })
	}
	w.report(status("a", 2))
	if got := <-answer; len(got.Confirmed) != 1 {
		t.Errorf("report is %+v", got)
	}
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

func TestWhoDoesNotAnswerTheRollIsForgotten(t *testing.T) {
	t.Parallel()
	tracker, w, c := setup(t)
	seldom := func(gateway string) {
		s := status(gateway, 1)
		s.Interval = 300
		w.report(s)
	}
	seldom("a")
	seldom("b")
	c.advance(5 * time.Minute)
	if list := tracker.Gateways("shop"); len(list) != 2 || list[0].Silent || list[1].Silent {
		t.Fatalf("before they can answer they are %+v", list)
	}
	seldom("a")
	c.advance(4 * time.Second)
	if list := tracker.Gateways("shop"); len(list) != 2 || list[0].Silent || !list[1].Silent {
		t.Errorf("after four seconds they are %+v, and only b did not answer", list)
	}
	before := w.rollCalls()
	c.advance(2 * time.Second)
	for w.rollCalls() == before { // it asks again by itself
		runtime.Gosched()
	}
	seldom("a")
	c.advance(9 * time.Second)
	if list := tracker.Gateways("shop"); len(list) != 2 {
		t.Errorf("after fifteen seconds they are %+v", list)
	}
	c.advance(2 * time.Second)
	seldom("a")
	if got := tracker.Wait(t.Context(), "shop", 1); got.Total != 1 || got.Confirmed[0].Gateway != "a" {
		t.Errorf("after seventeen seconds the report is %+v", got)
	}
}

// TestAThousandGatewaysAreNamedOneByOne has three of them not confirm.
func TestAThousandGatewaysAreNamedOneByOne(t *testing.T) {
	t.Parallel()
	server := natstest.Start(t)
	conn, err := bus.Connect(t.Context(), bus.Config{URL: server.URL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	tracker, err := fleet.Track(t.Context(), conn, fleet.Config{Settle: -1, MaxGateways: 1000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tracker.Close)
	missing := map[int]bool{0: true, 500: true, 999: true}
	for i := range 1000 {
		s := status(fmt.Sprintf("%04d", i), 9)
		if missing[i] {
			s.Applied = 8
		}
		s.Interval = 300
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Publish(events.GatewayStatusSubject(s.Gateway), data); err != nil {
			t.Fatal(err)
		}
	}
	for len(tracker.Gateways("shop")) < 1000 {
		runtime.Gosched()
	}
	got := tracker.Wait(now(t), "shop", 9)
	var names []string
	for _, m := range got.Missing {
		names = append(names, m.Name)
	}
	if got.Total != 1000 || len(got.Confirmed) != 997 || !slices.Equal(names, []string{"till 0000", "till 0500", "till 0999"}) {
		t.Errorf("%d of %d have confirmed, and %q have not", len(got.Confirmed), got.Total, names)
	}
}

// FuzzReport holds that a report counts for the gateway that its subject names, and for
// no other, and that nobody fills memory with one.
func FuzzReport(f *testing.F) {
	for _, s := range []events.GatewayStatus{status("a", 7), status("", 0), {Gateway: "é", Interval: -1e300, Tenant: "\xff"}} {
		data, err := json.Marshal(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(events.GatewayStatusSubject(s.Gateway), data)
	}
	f.Add(events.GatewayStatusSubject("a"), []byte(`{"gateway":"a","interval":1e999}`))
	f.Add(events.GatewayStatusSubject("a"), []byte(`{"gateway":"a","leaving":true}`))
	f.Fuzz(func(t *testing.T, subject string, data []byte) {
		tracker, w, clock := setup(t)
		w.report(status("a", 7))
		w.handle(subject, data)
		kept := 0
		for _, tenant := range []string{"shop", ""} {
			for _, g := range tracker.Gateways(tenant) {
				kept += len(g.Gateway) + len(g.Name) + len(g.Tenant)
				if g.Gateway != "a" && events.GatewayStatusSubject(g.Gateway) != subject {
					t.Errorf("on %q somebody reports for %q", subject, g.Gateway)
				}
			}
		}
		// What is not UTF-8 takes three bytes for one.
		if kept > 6*(4<<10)+100 {
			t.Errorf("%d bytes are kept of it", kept)
		}
		clock.advance(time.Hour) // three times the longest interval
		if list := tracker.Gateways("shop"); len(list) != 0 {
			t.Errorf("still there after an hour of silence: %+v", list)
		}
	})
}
