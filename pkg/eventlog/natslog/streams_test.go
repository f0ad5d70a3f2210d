package natslog_test

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/natstest"
)

func newSingle(t *testing.T) *rig {
	t.Helper()
	server := natstest.Start(t)
	return newRig(t, server.URL(), 1, server.Restart)
}

func TestNewTakesWhatItDeclaredBefore(t *testing.T) {
	t.Parallel()
	r := newSingle(t)
	if _, err := natslog.New(t.Context(), r.conn, r.config); err != nil {
		t.Fatalf("second New: %v", err)
	}
}

func TestNewTakesTurnsWithOthers(t *testing.T) {
	t.Parallel()
	conn := connect(t, natstest.Start(t).URL())
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := natslog.New(t.Context(), conn, natslog.Config{Logger: logger()}); err != nil {
				t.Errorf("New at the same time as others: %v", err)
			}
		})
	}
	all.Wait()
}

func TestOpenWantsStreams(t *testing.T) {
	t.Parallel()
	conn := connect(t, natstest.Start(t).URL())
	if _, err := natslog.Open(t.Context(), conn, natslog.Config{}); !errors.Is(err, eventlog.ErrNotFound) {
		t.Fatalf("Open without streams: %v, want ErrNotFound", err)
	}
	if _, err := natslog.New(t.Context(), conn, natslog.Config{Logger: logger()}); err != nil {
		t.Fatal(err)
	}
	if _, err := natslog.Open(t.Context(), conn, natslog.Config{}); err != nil {
		t.Fatalf("Open: %v", err)
	}
}

func TestNewNamesEveryDifference(t *testing.T) {
	t.Parallel()
	r := newSingle(t)
	sessions, touches := r.settings(events.StreamSessions), r.settings(events.StreamTouches)
	sessions.Duplicates, sessions.AllowDirect = time.Minute, false
	sessions.Description = "an operator's own words"
	touches.MaxAge, touches.MaxMsgsPerSubject = time.Hour, 2
	r.update(sessions, touches)

	_, err := natslog.New(t.Context(), r.conn, r.config)
	var settings *natslog.SettingsError
	if !errors.As(err, &settings) {
		t.Fatalf("New: %v, want a *SettingsError", err)
	}
	want := []natslog.Difference{
		{Stream: "POS_SESSIONS", Setting: "allow_direct", Have: "false", Want: "true"},
		{Stream: "POS_SESSIONS", Setting: "duplicate_window", Have: "1m0s", Want: "2m0s"},
		{Stream: "POS_TOUCHES", Setting: "max_age", Have: "1h0m0s", Want: "2160h0m0s"},
		{Stream: "POS_TOUCHES", Setting: "max_msgs_per_subject", Have: "2", Want: "1"},
	}
	if diff := cmp.Diff(want, settings.Differences); diff != "" {
		t.Fatalf("differences (-want +got):\n%s", diff)
	}
	for _, word := range []string{"POS_TOUCHES: max_age is 1h0m0s, want 2160h0m0s", "--update-streams"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error does not say %q:\n%v", word, err)
		}
	}
	if got := r.info(events.StreamTouches).Config.MaxAge; got != time.Hour {
		t.Fatalf("New changed a stream without being told to: max_age is %v", got)
	}

	updating := r.config
	updating.Update = true
	for _, config := range []natslog.Config{updating, r.config} {
		if _, err := natslog.New(t.Context(), r.conn, config); err != nil {
			t.Fatalf("New with Update %v: %v", config.Update, err)
		}
	}
}

func TestNewTellsWhatCannotBeUpdated(t *testing.T) {
	t.Parallel()
	r := newSingle(t)
	touches := r.settings(events.StreamTouches)
	touches.PersistMode = jetstream.DefaultPersistMode
	r.must(r.js.DeleteStream(t.Context(), touches.Name))
	_, err := r.js.CreateStream(t.Context(), touches)
	r.must(err)

	updating := r.config
	updating.Update = true
	_, err = natslog.New(t.Context(), r.conn, updating)
	var settings *natslog.SettingsError
	if !errors.As(err, &settings) || len(settings.Differences) != 1 || settings.Differences[0].Setting != "persist_mode" {
		t.Fatalf("New: %v, want a *SettingsError about persist_mode", err)
	}
}

func TestStreamConfigsAreJSON(t *testing.T) {
	t.Parallel()
	for _, replicas := range []int{1, 3} {
		for _, config := range (natslog.Config{Replicas: replicas}).StreamConfigs() {
			text, err := json.Marshal(config)
			if err != nil {
				t.Fatal(err)
			}
			var back jetstream.StreamConfig
			if err := json.Unmarshal(text, &back); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(config, back); diff != "" {
				t.Errorf("%s with %d replicas (-declared +read back):\n%s", config.Name, replicas, diff)
			}
		}
	}
}

func TestStreamsRefuseWhatTheyMust(t *testing.T) {
	t.Parallel()
	r := newSingle(t)
	for name, subject := range map[string]string{
		events.StreamSessions: events.SessionSubject("shop", "ann"), events.StreamAudit: events.AuditSubject("shop"),
	} {
		stream, err := r.js.Stream(t.Context(), name)
		r.must(err)
		r.inject(events.Message{Subject: subject, Data: []byte("x")})
		if err := stream.DeleteMsg(t.Context(), 1); err == nil {
			t.Errorf("a message of %s was deleted", name)
		}
		if err := stream.Purge(t.Context()); err == nil {
			t.Errorf("%s was purged", name)
		}
		m := message(subject, map[string]string{jetstream.MsgRollup: jetstream.MsgRollupSubject})
		if _, err := r.js.PublishMsg(t.Context(), m, jetstream.WithExpectStream(name)); err == nil {
			t.Errorf("%s was rolled up", name)
		}
	}
}

func (r *rig) update(configs ...jetstream.StreamConfig) {
	r.t.Helper()
	for _, config := range configs {
		_, err := r.js.UpdateStream(r.t.Context(), config)
		r.must(err)
	}
}

func (r *rig) info(stream string) *jetstream.StreamInfo {
	r.t.Helper()
	handle, err := r.js.Stream(r.t.Context(), stream)
	r.must(err)
	return handle.CachedInfo()
}
