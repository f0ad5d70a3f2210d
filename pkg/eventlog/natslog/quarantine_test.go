package natslog_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
)

func TestQuarantineKeepsWhatItWas(t *testing.T) {
	t.Parallel()
	r := newSingle(t)
	registry := prometheus.NewRegistry()
	r.config.Metrics, r.config.Source = registry, "/posse/test"
	var err error
	r.log, err = natslog.New(t.Context(), r.conn, r.config)
	r.must(err)
	r.inject(events.Message{Subject: "pos.v1.session.shop.ann", Header: map[string][]string{"Nats-Msg-Id": {"x"}, "Odd": {"1", "2"}}, Data: []byte("?")})
	followTo(t, r.log, "watcher", 1)

	m := r.stored(events.StreamQuarantine, 1)
	want := map[string]string{
		"Nats-Msg-Id":                    "POS_SESSIONS-1",
		natslog.HeaderQuarantineSubject:  "pos.v1.session.shop.ann",
		natslog.HeaderQuarantineStream:   "POS_SESSIONS",
		natslog.HeaderQuarantineSequence: "1",
		natslog.HeaderQuarantineHeaders:  `{"Nats-Msg-Id":["x"],"Odd":["1","2"]}`,
		natslog.HeaderQuarantineSource:   "/posse/test",
	}
	got := make(map[string]string)
	for name := range want {
		got[name] = m.Header.Get(name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if m.Subject != "pos.v1.quarantine.POS_SESSIONS" || string(m.Data) != "?" {
		t.Errorf("quarantined as %q on %s", m.Data, m.Subject)
	}
	if reason := m.Header.Get(natslog.HeaderQuarantineReason); !strings.Contains(reason, "ce-id") {
		t.Errorf("reason %q does not name the missing header", reason)
	}
	if _, err := time.Parse(time.RFC3339Nano, m.Header.Get(natslog.HeaderQuarantineTime)); err != nil {
		t.Error(err)
	}
	checkMetrics(t, registry)
}

func checkMetrics(t *testing.T, registry *prometheus.Registry) {
	t.Helper()
	const want = `
# HELP posse_log_follower_position Sequence up to which a follower has handled its stream.
# TYPE posse_log_follower_position gauge
posse_log_follower_position{follower="watcher"} 1
# HELP posse_log_quarantined_total Messages that could not be decoded.
# TYPE posse_log_quarantined_total counter
posse_log_quarantined_total{follower="watcher",stream="POS_SESSIONS"} 1
`
	err := testutil.GatherAndCompare(registry, strings.NewReader(want), "posse_log_follower_position", "posse_log_quarantined_total")
	if err != nil {
		t.Error(err)
	}
	if n, err := testutil.GatherAndCount(registry, "posse_log_handler_execution_time_seconds"); err != nil || n != 1 {
		t.Errorf("Watermill measured %d handlers, %v; want 1", n, err)
	}
}

// followTo follows POS_SESSIONS until a sequence has been handled.
func followTo(t *testing.T, log eventlog.Log, name string, sequence uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	reached := false
	config := eventlog.FollowConfig{Name: name, Stream: events.StreamSessions, Idle: func(_ context.Context, end eventlog.Position) error {
		reached = end.Sequence >= sequence
		cancel()
		return nil
	}}
	err := log.Follow(ctx, config, func(context.Context, eventlog.Batch) error { return nil })
	if err != nil || !reached {
		t.Fatalf("followed to %d: %v, %v", sequence, reached, err)
	}
}
