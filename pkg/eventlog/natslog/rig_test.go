package natslog_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/eventlog/eventlogtest"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
)

// rig is a log on a server, and the server behind the log's back.
type rig struct {
	t       *testing.T
	conn    *bus.Conn
	js      jetstream.JetStream
	log     *natslog.Log
	config  natslog.Config
	restart func()
}

func newRig(t *testing.T, url string, replicas int, restart func()) *rig {
	t.Helper()
	r := &rig{t: t, conn: connect(t, url), restart: restart, config: natslog.Config{Replicas: replicas, Logger: logger()}}
	r.js = r.conn.JetStream()
	var err error
	if r.log, err = natslog.New(t.Context(), r.conn, r.config); err != nil {
		t.Fatalf("declare streams: %v", err)
	}
	return r
}

func connect(t *testing.T, url string) *bus.Conn {
	t.Helper()
	conn, err := bus.Connect(t.Context(), bus.Config{URL: url, Name: t.Name(), Logger: logger()})
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// logger is silent unless POSSE_TEST_LOG is set.
func logger() *slog.Logger {
	if os.Getenv("POSSE_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, nil))
}

func (r *rig) backend() eventlogtest.Backend {
	return eventlogtest.Backend{
		Log:         r.log,
		Another:     func() eventlog.Log { return r.another() },
		Trail:       r.log,
		Inject:      r.inject,
		Restart:     r.restart,
		Recreate:    r.recreate,
		Trim:        r.trim,
		Quarantined: r.quarantined,
	}
}

func (r *rig) another() *natslog.Log {
	r.t.Helper()
	log, err := natslog.Open(r.t.Context(), r.conn, r.config)
	r.must(err)
	return log
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) inject(m events.Message) {
	r.t.Helper()
	_, err := r.js.PublishMsg(r.t.Context(), &nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data})
	r.must(err)
}

func (r *rig) recreate(stream string) {
	r.t.Helper()
	r.must(r.js.DeleteStream(r.t.Context(), stream))
	_, err := r.js.CreateStream(r.t.Context(), r.settings(stream))
	r.must(err)
}

func (r *rig) deleteStreams() {
	r.t.Helper()
	for _, config := range r.config.StreamConfigs() {
		if err := r.js.DeleteStream(context.Background(), config.Name); err != nil {
			r.t.Errorf("delete stream %s: %v", config.Name, err)
		}
	}
}

func (r *rig) settings(stream string) jetstream.StreamConfig {
	r.t.Helper()
	for _, config := range r.config.StreamConfigs() {
		if config.Name == stream {
			return config
		}
	}
	r.t.Fatalf("no stream %s is declared", stream)
	return jetstream.StreamConfig{}
}

// trim needs a roundabout way: the log's stream denies deleting and purging.
func (r *rig) trim(stream string, first uint64) {
	r.t.Helper()
	handle, err := r.js.Stream(r.t.Context(), stream)
	r.must(err)
	config := r.settings(stream)
	config.Discard, config.MaxMsgs = jetstream.DiscardOld, int64(handle.CachedInfo().State.LastSeq-first+1)
	_, err = r.js.UpdateStream(r.t.Context(), config)
	r.must(err)
	eventually(r.t, "the stream to lose its beginning", func() bool {
		info, err := handle.Info(r.t.Context())
		return err == nil && info.State.FirstSeq == first
	})
}

func (r *rig) quarantined() []string {
	r.t.Helper()
	var ids []string
	for sequence := uint64(1); ; sequence++ {
		m := r.stored(events.StreamQuarantine, sequence)
		if m == nil {
			return ids
		}
		ids = append(ids, m.Header.Get(events.HeaderMsgID))
	}
}

// stored is a message of a stream, or nil.
func (r *rig) stored(stream string, sequence uint64) *jetstream.RawStreamMsg {
	r.t.Helper()
	handle, err := r.js.Stream(r.t.Context(), stream)
	r.must(err)
	if handle.CachedInfo().State.LastSeq < sequence {
		return nil
	}
	var m *jetstream.RawStreamMsg
	eventually(r.t, "a replica to have the message", func() bool {
		m, err = handle.GetMsg(r.t.Context(), sequence)
		return !errors.Is(err, jetstream.ErrMsgNotFound)
	})
	r.must(err)
	return m
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.After(time.Minute); !done(); {
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
