package natslog_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/natstest"
)

func TestRevocationsVanishWithTheirSession(t *testing.T) {
	t.Parallel()
	r := newSingle(t)
	now := time.Now()
	// It expired almost a minute ago, which is as long as gateways may lag behind.
	short := events.Revocation{Tenant: "shop", Session: "a", Sequence: 1, Expires: events.TimestampOf(now.Add(500*time.Millisecond - time.Minute))}
	long := events.Revocation{Tenant: "shop", Session: "b", Sequence: 2, Expires: events.TimestampOf(now.Add(90 * time.Minute))}
	r.must(r.log.PublishRevocations(t.Context(), "e", []events.Revocation{short, long}))

	first, second := r.stored(events.StreamRevocations, 1), r.stored(events.StreamRevocations, 2)
	if got := first.Header.Get(jetstream.MsgTTLHeader); got != "1" {
		t.Errorf("TTL of half a second is %q seconds, want 1", got)
	}
	if got := second.Header.Get(jetstream.MsgTTLHeader); got != "5460" {
		t.Errorf("TTL of 90 minutes and the leeway is %q seconds, want 5460", got)
	}
	got, err := events.DecodeRevocation(second.Subject, second.Data)
	if err != nil || got != long {
		t.Errorf("revocation reads back as %+v, %v", got, err)
	}
	eventually(t, "the expired revocation to vanish", func() bool {
		return r.info(events.StreamRevocations).State.FirstSeq == 2
	})
}

// TestRevocationsAreStoredTogether unless the stream has some of them, or takes no
// batches because an older posse declared it.
func TestRevocationsAreStoredTogether(t *testing.T) {
	t.Parallel()
	r := newSingle(t)
	all := make([]events.Revocation, 300)
	for i := range all {
		all[i] = events.Revocation{
			Tenant: "shop", Session: fmt.Sprint("s", i), Sequence: uint64(i + 1), Expires: events.TimestampOf(time.Now().Add(time.Hour)),
		}
	}
	publish := func(first, last, want int) {
		t.Helper()
		r.must(r.log.PublishRevocations(t.Context(), "e", all[first:last]))
		if stored := r.info(events.StreamRevocations).State.LastSeq; stored != uint64(want) {
			t.Fatalf("the stream has %d revocations, want %d", stored, want)
		}
	}
	inBatch := func(sequence uint64) bool {
		return r.stored(events.StreamRevocations, sequence).Header.Get("Nats-Batch-Id") != ""
	}
	publish(0, 100, 100)
	publish(50, 200, 200)
	if !inBatch(1) || !inBatch(100) || inBatch(101) {
		t.Errorf("of a batch: the first %v, the hundredth %v, one of those that were partly known %v", inBatch(1), inBatch(100), inBatch(101))
	}
	config := r.settings(events.StreamRevocations)
	config.AllowAtomicPublish = false
	r.update(config)
	publish(200, 300, 300)
}

// TestRelaysPublishTheSameAtOnce on a cluster, which answers for a while that it is
// storing a message of the same id.
func TestRelaysPublishTheSameAtOnce(t *testing.T) {
	t.Parallel()
	cluster := natstest.StartCluster(t, 3)
	r := newRig(t, strings.Join(cluster.URLs(), ","), 3, nil)
	relays := []*natslog.Log{r.another(), r.another(), r.another()}
	for i := range 200 {
		one := events.Revocation{Tenant: "shop", Session: fmt.Sprint("s", i), Sequence: uint64(i + 1), Expires: events.TimestampOf(time.Now().Add(time.Hour))}
		var publishing errgroup.Group
		for _, relay := range relays {
			publishing.Go(func() error { return relay.PublishRevocations(t.Context(), "e", []events.Revocation{one}) })
		}
		r.must(publishing.Wait())
	}
	if stored := r.info(events.StreamRevocations).State.Msgs; stored != 200 {
		t.Errorf("the stream has %d revocations, want 200", stored)
	}
}
