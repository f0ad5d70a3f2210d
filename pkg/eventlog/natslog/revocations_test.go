package natslog_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
)

func TestRevocationsVanishWithTheirSession(t *testing.T) {
	t.Parallel()
	r := newSingle(t)
	now := time.Now()
	// It expired almost a minute ago, which is as long as gateways may lag behind.
	short := events.Revocation{Tenant: "shop", Session: "a", Sequence: 1, Expires: events.TimestampOf(now.Add(500*time.Millisecond - time.Minute))}
	long := events.Revocation{Tenant: "shop", Session: "b", Sequence: 2, Expires: events.TimestampOf(now.Add(90 * time.Minute))}
	r.must(r.log.PublishRevocations(t.Context(), []events.Revocation{short, long}))

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
