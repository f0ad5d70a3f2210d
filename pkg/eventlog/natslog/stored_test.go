package natslog_test

import (
	"testing"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/natstest"
	"github.com/posse-pos/posse/pkg/netfault"
)

// What is stored comes out as it was published, also what is no event.
func TestStoredReturnsWhatWasPublished(t *testing.T) {
	t.Parallel()
	r := newRig(t, natstest.Start(t).URL(), 1, nil)
	subject := events.SessionSubject("shop", "anna")
	for _, id := range []string{"one", "two", "three"} {
		r.inject(events.Message{Subject: subject, Header: map[string][]string{"Nats-Msg-Id": {id}, "x": {"1", "2"}}, Data: []byte("no JSON")})
	}
	stored, err := r.log.Stored(t.Context(), events.StreamSessions, 2, 5)
	r.must(err)
	if len(stored) != 2 {
		t.Fatalf("read %d messages, want 2", len(stored))
	}
	m := stored[0]
	if m.Sequence != 2 || m.Subject != subject || string(m.Data) != "no JSON" || m.Time.IsZero() {
		t.Errorf("message 2 is %+v", m)
	}
	if len(m.Header) != 2 || m.Header["Nats-Msg-Id"][0] != "two" || len(m.Header["x"]) != 2 {
		t.Errorf("message 2 has the headers %v", m.Header)
	}
	past, err := r.log.Stored(t.Context(), events.StreamSessions, 4, 5)
	if err != nil || len(past) != 0 {
		t.Errorf("past the end are %d messages: %v", len(past), err)
	}
	if _, err := r.log.Stored(t.Context(), events.StreamSessions, 1, 0); err == nil {
		t.Error("a read of no messages is none")
	}
}

// A line that delivers messages twice and late changes nothing in what is read: an
// auditor halts for good when the log is not what it was.
func TestAPageIsInOrderHoweverItIsDelivered(t *testing.T) {
	t.Parallel()
	server := natstest.Start(t)
	r := newRig(t, server.URL(), 1, nil)
	const messages = 50
	for range messages {
		r.inject(events.Message{Subject: events.SessionSubject("shop", "anna"), Data: []byte("no JSON")})
	}
	disorder := netfault.NewDisorder(1)
	line, err := netfault.Listen("127.0.0.1:0", func() string { return server.Server().Addr().String() }, netfault.Through(disorder.Reader))
	r.must(err)
	t.Cleanup(line.Close)
	line.Open()
	log, err := natslog.Open(t.Context(), connect(t, "nats://"+line.Address()), r.config)
	r.must(err)
	disorder.Set(true)
	for range 20 {
		stored, err := log.Stored(t.Context(), events.StreamSessions, 1, messages)
		r.must(err)
		for i, m := range stored {
			if m.Sequence != uint64(i)+1 {
				t.Fatalf("message %d of a page is %d", i+1, m.Sequence)
			}
		}
		facts, err := log.User(t.Context(), "shop", "anna", 0)
		r.must(err)
		if len(facts) != messages {
			t.Fatalf("a user has %d facts, want %d", len(facts), messages)
		}
	}
}

func TestStateCountsWhatIsGone(t *testing.T) {
	t.Parallel()
	r := newRig(t, natstest.Start(t).URL(), 1, nil)
	for _, session := range []string{"a", "b", "c", "b"} { // a touch replaces the one before
		key := events.Key{Tenant: "shop", User: "anna", Session: session}
		r.inject(events.Message{Subject: events.TouchSubject(key), Data: []byte("{}")})
	}
	state, err := r.log.State(t.Context(), events.StreamTouches)
	r.must(err)
	if state.First != 1 || state.Last != 4 || state.Missing != 1 {
		t.Errorf("the extent is %+v, want 1 to 4 with 1 missing", state)
	}
	empty, err := r.log.State(t.Context(), events.StreamSessions)
	r.must(err)
	if empty.Missing != 0 {
		t.Errorf("an empty stream misses %d", empty.Missing)
	}
}
