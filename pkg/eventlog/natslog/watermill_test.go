package natslog_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	wm "github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
)

func message(subject string, header map[string]string) *nats.Msg {
	m := &nats.Msg{Subject: subject, Header: nats.Header{}}
	for name, value := range header {
		m.Header.Set(name, value)
	}
	return m
}

func (r *rig) subscribe(config natslog.SubscriberConfig) (*natslog.Subscriber, <-chan *wm.Message) {
	r.t.Helper()
	s := natslog.NewSubscriber(r.log, config)
	messages, err := s.Subscribe(r.t.Context(), events.StreamSessions)
	r.must(err)
	r.t.Cleanup(func() { r.must(s.Close()) })
	return s, messages
}

func next(t *testing.T, from <-chan *wm.Message) *wm.Message {
	t.Helper()
	select {
	case m, ok := <-from:
		if !ok {
			t.Fatal("subscription ended")
		}
		return m
	case <-time.After(30 * time.Second):
		t.Fatal("no message")
	}
	return nil
}

func (r *rig) append(facts ...events.Envelope) uint64 {
	r.t.Helper()
	last, err := r.log.Append(r.t.Context(), facts, nil)
	r.must(err)
	return last
}

func TestSubscriberCarriesThePlace(t *testing.T) {
	t.Parallel()
	r := newSingle(t)
	facts := logins("ann", "s", 3)
	r.append(facts...)

	_, batches := r.subscribe(natslog.SubscriberConfig{BatchSize: 10})
	batch := next(t, batches)
	for name, want := range map[string]string{
		natslog.MetadataStream: "POS_SESSIONS", natslog.MetadataFirst: "1", natslog.MetadataLast: "3",
		natslog.MetadataCount: "3", natslog.MetadataPending: "0",
	} {
		if got := batch.Metadata.Get(name); got != want {
			t.Errorf("batch has %s %q, want %q", name, got, want)
		}
	}
	stored := natslog.Stored(batch)
	if len(stored) != 3 || stored[2].Sequence != 3 || batch.Metadata.Get(natslog.MetadataTime) != stored[2].Time.UTC().Format(time.RFC3339Nano) {
		t.Errorf("batch carries %d messages", len(stored))
	}

	_, singles := r.subscribe(natslog.SubscriberConfig{After: eventlog.Position{Sequence: 1}})
	single := next(t, singles)
	if single.UUID != "POS_SESSIONS-2" || single.Metadata.Get("ce-id") != facts[1].ID || single.Metadata.Get(natslog.MetadataPending) != "1" ||
		single.Metadata.Get(natslog.MetadataSubject) != "pos.v1.session.shop.ann" || len(single.Payload) == 0 {
		t.Errorf("single message is %+v", single)
	}
}

func TestSubscriberLetsManyBeInFlight(t *testing.T) {
	t.Parallel()
	const inFlight = 100
	r := newSingle(t)
	r.append(logins("ann", "s", inFlight+1)...)
	_, messages := r.subscribe(natslog.SubscriberConfig{MaxInFlight: inFlight})

	out := make([]*wm.Message, inFlight)
	for i := range out {
		out[i] = next(t, messages)
	}
	select {
	case m := <-messages:
		t.Fatalf("message %s came beyond the limit", m.UUID)
	default:
	}
	out[inFlight/2].Ack()
	next(t, messages).Ack()
	for _, m := range out {
		m.Ack()
	}
}

func TestSubscriberKeepsOrderAndRepeats(t *testing.T) {
	t.Parallel()
	r := newSingle(t)
	r.append(logins("ann", "s", 3)...)
	_, messages := r.subscribe(natslog.SubscriberConfig{})

	next(t, messages).Nack()
	for want := 1; want <= 3; want++ {
		m := next(t, messages)
		if m.Metadata.Get(natslog.MetadataLast) != strconv.Itoa(want) {
			t.Fatalf("got message %s, want %d", m.UUID, want)
		}
		m.Ack()
	}
}

func TestSubscriberEndsWithItsStream(t *testing.T) {
	t.Parallel()
	r := newSingle(t)
	r.append(logins("ann", "s", 1)...)
	s, messages := r.subscribe(natslog.SubscriberConfig{})
	next(t, messages).Ack()
	r.must(r.js.DeleteStream(t.Context(), events.StreamSessions))

	if _, more := <-messages; more {
		t.Fatal("a message came from a deleted stream")
	}
	if err := s.Err(); err == nil {
		t.Fatal("the subscriber has no error")
	}
	r.must(s.Close())
	if _, err := s.Subscribe(t.Context(), events.StreamSessions); err == nil {
		t.Fatal("a closed subscriber subscribed")
	}
}

func TestPublisherWaitsForTheStream(t *testing.T) {
	t.Parallel()
	r := newSingle(t)
	p := natslog.NewPublisher(r.log)
	m := wm.NewMessage("id-1", []byte("payload"))
	m.Metadata.Set("Some", "header")
	for range 2 {
		r.must(p.Publish("pos.v1.session.shop.ann", m))
	}
	r.must(p.Publish("pos.v1.session.shop.ann"))
	stored := r.stored(events.StreamSessions, 1)
	if string(stored.Data) != "payload" || stored.Header.Get("Some") != "header" || stored.Header.Get("Nats-Msg-Id") != "id-1" {
		t.Errorf("stored %+v", stored)
	}
	if r.last() != 1 {
		t.Errorf("the message was stored %d times", r.last())
	}
	if err := p.Publish("nobody.listens", wm.NewMessage(watermill.NewUUID(), nil)); err == nil {
		t.Error("Publish on a subject of no stream succeeded")
	}
	r.must(p.Close())
}
