package natsusers_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
)

// TestConsumersWriteNothing has a gateway make consumers that deliver where it may not
// publish, for which nats-server asks no permission. It forgets a consumer to whose
// subject nobody but a stream listens, and takes none that delivers to its own stream.
func TestConsumersWriteNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	server := s.start("nats.conf")
	log := s.declare(server.URL())
	conn := s.connect(server.URL(), "gateway").JetStream().Conn()
	// Each has a name of its own: the server clears up after one that it forgot for a while
	// after it said so, and makes none of that name meanwhile.
	deliverTo := func(name, subject string) string {
		answer, err := conn.Request("$JS.API.CONSUMER.CREATE.POS_REVOCATIONS."+name+"."+events.SubjectRevocations, []byte(`{"stream_name":"POS_REVOCATIONS",
			"config":{"name":"`+name+`","filter_subject":"`+events.SubjectRevocations+`","deliver_subject":"`+subject+`","deliver_policy":"all","ack_policy":"none"}}`), nats.DefaultTimeout)
		s.must(err)
		return string(answer.Data)
	}
	for _, subject := range []string{events.SubjectTick, events.RevocationSubject("shop")} {
		if answer := deliverTo("cycle", subject); !strings.Contains(answer, "forms a cycle") {
			t.Errorf("a consumer that delivers to %s: %s", subject, answer)
		}
	}
	s.relay(server.URL())
	key := events.Key{Tenant: "shop", User: "anna", Session: "till-1"}
	s.revoke(log, key)
	operator := s.connect(server.URL(), "operator").JetStream()
	for stream, subject := range map[string]string{
		events.StreamSessions: events.SessionSubject("shop", "anna"), events.StreamTouches: events.TouchSubject(key),
		events.StreamQuarantine: events.QuarantineSubject("x"), events.StreamAudit: events.AuditSubject("shop"),
	} {
		before, err := log.State(t.Context(), stream)
		s.must(err)
		if answer := deliverTo(stream, subject); strings.Contains(answer, `"error"`) {
			t.Fatalf("a consumer that delivers to %s: %s", subject, answer)
		}
		eventually(t, "the consumer has delivered to "+subject+", or is forgotten", func() bool {
			consumer, err := operator.PushConsumer(t.Context(), events.StreamRevocations, stream)
			return errors.Is(err, jetstream.ErrConsumerNotFound) || err == nil && consumer.CachedInfo().Delivered.Consumer >= 1
		})
		after, err := log.State(t.Context(), stream)
		s.must(err)
		if after.Last != before.Last {
			t.Errorf("%s took %d messages of a gateway", stream, after.Last-before.Last)
		}
	}
}
