package natslog_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/natstest"
)

var moment = time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)

func login(user, session string) events.Envelope {
	return events.Envelope{ID: session, Source: "/test", Time: moment, Event: events.LoggedIn{
		Key: events.Key{Tenant: "shop", User: user, Session: session}, EventTimestamp: events.TimestampOf(moment),
	}}
}

func logins(user, session string, n int) []events.Envelope {
	all := make([]events.Envelope, n)
	for i := range all {
		all[i] = login(user, fmt.Sprintf("%s.%d", session, i))
	}
	return all
}

// TestAppendAcrossRestart loses acknowledgements: what is said to be stored
// must be, once, in its place.
func TestAppendAcrossRestart(t *testing.T) {
	t.Parallel()
	t.Run("one server", func(t *testing.T) {
		t.Parallel()
		r := newSingle(t)
		appendAcross(t, r, r.restart)
	})
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		cluster := natstest.StartCluster(t, 3)
		urls := cluster.URLs()
		r := newRig(t, urls[0]+","+urls[1]+","+urls[2], 3, nil)
		appendAcross(t, r, func() {
			cluster.StreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, events.StreamSessions).Restart()
		})
	})
}

func appendAcross(t *testing.T, r *rig, disturb func()) {
	t.Helper()
	const writers = 6
	stop := make(chan struct{})
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() { appendUntil(t, r.log, fmt.Sprintf("user-%d", i), stop) })
	}
	for range 2 {
		before := r.last()
		disturb()
		eventually(t, "appends to go on after the restart", func() bool { return r.last() > before+4*writers })
	}
	close(stop)
	all.Wait()
}

func (r *rig) last() uint64 {
	state, err := r.log.State(r.t.Context(), events.StreamSessions)
	if err != nil {
		return 0
	}
	return state.Last
}

// appendUntil appends one fact and three facts in turns, under an expectation
// and without, and then compares the history with what it was told.
func appendUntil(t *testing.T, log eventlog.Log, user string, stop <-chan struct{}) {
	t.Helper()
	want := make(map[uint64]string)
	var last uint64
	for n := 0; ; n++ {
		select {
		case <-stop:
			compareHistory(t, log, user, want)
			return
		default:
		}
		facts := logins(user, fmt.Sprintf("%s-%d", user, n), 1+2*(n%2))
		var expect *eventlog.Expectation
		if n%4 < 3 {
			expect = &eventlog.Expectation{LastSequence: last}
		}
		sequence, err := appendStubbornly(t.Context(), log, facts, expect)
		if err != nil {
			t.Errorf("append %d of %s: %v", n, user, err)
			return
		}
		last = sequence
		for i, f := range facts {
			want[sequence-uint64(len(facts)-1-i)] = f.ID
		}
	}
}

// appendStubbornly repeats what had no answer, as a caller may. A cluster that
// shares its processors with other tests can take a while to elect.
func appendStubbornly(
	ctx context.Context, log eventlog.Log, facts []events.Envelope, expect *eventlog.Expectation,
) (sequence uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		sequence, err = log.Append(ctx, facts, expect)
		if !errors.Is(err, eventlog.ErrUnavailable) || ctx.Err() != nil {
			return sequence, err
		}
	}
}

func compareHistory(t *testing.T, log eventlog.Log, user string, want map[uint64]string) {
	t.Helper()
	history, err := log.User(t.Context(), "shop", user, 0)
	if err != nil {
		t.Error(err)
		return
	}
	if len(history) != len(want) {
		t.Errorf("%s has %d facts, %d were acknowledged", user, len(history), len(want))
	}
	for _, f := range history {
		if want[f.Sequence] != f.ID {
			t.Errorf("%s has %q at %d, acknowledged was %q", user, f.ID, f.Sequence, want[f.Sequence])
		}
	}
}

// TestUserSeesWhatWasAcknowledged: replicas may lag, and must not show.
func TestUserSeesWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	cluster := natstest.StartCluster(t, 3)
	writer := newRig(t, cluster.URLs()[0], 3, nil)
	for i, url := range cluster.URLs() {
		reader := newRig(t, url, 3, nil)
		user := fmt.Sprintf("user-%d", i)
		var last uint64
		for n := range 200 {
			sequence, err := writer.log.Append(t.Context(), logins(user, fmt.Sprintf("%s-%d", user, n), 1+n%3), nil)
			writer.must(err)
			facts, err := reader.log.User(t.Context(), "shop", user, last)
			writer.must(err)
			if len(facts) != 1+n%3 || facts[len(facts)-1].Sequence != sequence {
				t.Fatalf("after append %d at %d, a reader sees %d new facts", n, sequence, len(facts))
			}
			last = sequence
		}
	}
}
