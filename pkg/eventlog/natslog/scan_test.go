package natslog_test

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/eventlog/eventlogtest"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/natstest"
)

// long is a selection that is worth a consumer once a user has a score of facts.
var long = eventlog.Selection{Tenant: "shop", User: "ann", Limit: 1}

// TestALongScanTakesAConsumer, and leaves none behind.
func TestALongScanTakesAConsumer(t *testing.T) {
	t.Parallel()
	r := newRig(t, natstest.Start(t).URL(), 1, nil)
	want := r.lived("ann", 20)
	made, err := r.js.Conn().SubscribeSync("$JS.EVENT.ADVISORY.CONSUMER.CREATED.POS_SESSIONS.*")
	r.must(err)
	if got := ids(eventlogtest.Selected(t, r.log, long)); !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	r.must(r.js.Conn().Flush())
	if n, _, err := made.Pending(); err != nil || n != 1 {
		t.Errorf("%d consumers were made, %v; want 1", n, err)
	}
	stream, err := r.js.Stream(t.Context(), events.StreamSessions)
	r.must(err)
	if n := stream.CachedInfo().State.Consumers; n != 0 {
		t.Errorf("%d consumers are left", n)
	}
}

// TestALongScanOutlivesItsConsumer reads on page by page.
func TestALongScanOutlivesItsConsumer(t *testing.T) {
	t.Parallel()
	r := newRig(t, natstest.Start(t).URL(), 1, nil)
	want := r.lived("ann", 20)
	var got []string
	for batch, err := range r.log.Scan(t.Context(), long) {
		r.must(err)
		got = append(got, ids(batch.Events)...)
		if len(got) == 3 {
			stream, err := r.js.Stream(t.Context(), events.StreamSessions)
			r.must(err)
			for name := range stream.ConsumerNames(t.Context()).Name() {
				r.must(stream.DeleteConsumer(t.Context(), name))
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// TestALongScanOutlivesAConsumerThatStandsStill, as one does on a server that does not get
// what the others have. Its server goes on saying that it is there.
func TestALongScanOutlivesAConsumerThatStandsStill(t *testing.T) {
	t.Parallel()
	r := newRig(t, natstest.Start(t).URL(), 1, nil)
	const n, limit = 3000, 100
	for facts := range slices.Chunk(logins("ann", "s", n), natslog.MaxAppend) {
		_, err := r.log.Append(t.Context(), facts, nil)
		r.must(err)
	}
	got, paused := 0, false
	for batch, err := range r.log.Scan(t.Context(), eventlog.Selection{Tenant: "shop", User: "ann", Limit: limit}) {
		r.must(err)
		got += len(batch.Events)
		if got == 3*limit {
			stream, err := r.js.Stream(t.Context(), events.StreamSessions)
			r.must(err)
			for name := range stream.ConsumerNames(t.Context()).Name() {
				_, err := stream.PauseConsumer(t.Context(), name, time.Now().Add(time.Hour))
				r.must(err)
				paused = true
			}
		}
	}
	if got != n || !paused {
		t.Errorf("got %d facts, want %d; a consumer was paused: %t", got, n, paused)
	}
}

// TestALongScanWithoutAConsumer is for those who may not make one: they are told so
// once, and read page by page.
func TestALongScanWithoutAConsumer(t *testing.T) {
	t.Parallel()
	url := natstest.Start(t, natstest.WithConfig(permissions(map[string][][]string{
		"declarer": {mayDeclare, mayAppend, {"$JS.API.STREAM.MSG.GET.KV_POS_KEYS", "$KV.POS_KEYS.>"}}, "reader": {mayRead},
	}))).URL()
	as := func(user string) string { return strings.Replace(url, "nats://", "nats://"+user+":p@", 1) }
	want := newRig(t, as("declarer"), 1, nil).lived("ann", 20)
	conn := connect(t, as("reader"))
	log, err := natslog.Open(t.Context(), conn, natslog.Config{Logger: logger()})
	if err != nil {
		t.Fatal(err)
	}
	var refused atomic.Int64
	conn.JetStream().Conn().SetErrorHandler(func(*nats.Conn, *nats.Subscription, error) { refused.Add(1) })
	for range 2 {
		if got := ids(eventlogtest.Selected(t, log, long)); !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
	if n := refused.Load(); n != 1 {
		t.Errorf("it was refused %d times, want once", n)
	}
}

// lived gives a user so many facts, and returns their ids.
func (r *rig) lived(user string, n int) []string {
	r.t.Helper()
	facts := logins(user, "s", n)
	for i := range facts {
		_, err := r.log.Append(r.t.Context(), facts[i:i+1], nil)
		r.must(err)
	}
	all := make([]string, n)
	for i, fact := range facts {
		all[i] = fact.ID
	}
	return all
}

func ids(facts []eventlog.Recorded) []string {
	all := make([]string, len(facts))
	for i, fact := range facts {
		all[i] = fact.ID
	}
	return all
}
