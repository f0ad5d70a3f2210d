package proof_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/natstest"
	"github.com/posse-pos/posse/services/auditor/proof"
)

const patience = 30 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, natstest.Leaks()...) }

// rig is a log, what proves it, and somebody who has the server's disk.
type rig struct {
	t     *testing.T
	nats  *natstest.Server
	js    jetstream.JetStream
	log   *natslog.Log
	key   proof.Key
	dir   string
	place proof.Place
	vault vault              // the same, for somebody who can write there
	store server.StreamStore // after a forge
}

func newRig(t *testing.T) *rig {
	t.Helper()
	return newRigWith(t, inADirectory)
}

func newRigWith(t *testing.T, where vaults) *rig {
	t.Helper()
	r := &rig{t: t, nats: natstest.Start(t), dir: filepath.Join(t.TempDir(), "audit")}
	r.place, r.vault = where(t)
	conn, err := bus.Connect(t.Context(), bus.Config{URL: r.nats.URL(), Name: t.Name(), Logger: quiet()})
	r.must(err)
	t.Cleanup(conn.Close)
	r.js = conn.JetStream()
	r.log, err = natslog.New(t.Context(), conn, natslog.Config{Logger: quiet()})
	r.must(err)
	r.key, err = proof.OpenKey(filepath.Join(t.TempDir(), "keys"), "example.com/pos")
	r.must(err)
	return r
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// happen stores that many events more.
func (r *rig) happen(count int) {
	r.t.Helper()
	for range count {
		id := nats.NewInbox()
		message := &nats.Msg{
			Subject: events.SessionSubject("shop", "anna"),
			Header:  nats.Header{"Nats-Msg-Id": {id}, "ce-id": {id}, "ce-type": {"session.logged_in"}},
			Data:    []byte(`{"session":"` + id + `"}`),
		}
		_, err := r.js.PublishMsg(r.t.Context(), message)
		r.must(err)
	}
}

// audit has an auditor read everything and sign it.
func (r *rig) audit() {
	r.t.Helper()
	auditor := r.auditor(nil)
	ctx, end := context.WithCancel(r.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- auditor.Run(ctx) }()
	r.eventually("the auditor has read everything", func() bool { return auditor.Ready() == nil })
	end()
	r.must(<-ended)
	r.must(auditor.Close())
}

func (r *rig) config() proof.Config {
	return proof.Config{Log: r.log, Dir: r.dir, Checkpoints: r.place, Key: r.key, Logger: quiet()}
}

func (r *rig) auditor(change func(*proof.Config)) *proof.Auditor {
	r.t.Helper()
	config := r.config()
	if change != nil {
		change(&config)
	}
	auditor, err := proof.New(r.t.Context(), config)
	r.must(err)
	return auditor
}

func (r *rig) eventually(what string, done func() bool) {
	r.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline:
			r.t.Fatalf("not within %s: %s", patience, what)
		case <-tick.C:
		}
	}
}

// verify returns what is found, a line each, behind the sequence it is about.
func (r *rig) verify(change func(*proof.Verification)) (proof.Summary, string) {
	r.t.Helper()
	verifiers, err := proof.Verifiers(r.key.Public())
	r.must(err)
	var found strings.Builder
	config := proof.Verification{
		Log: r.log, Places: []proof.Place{r.place}, Dir: r.dir, Verifiers: verifiers,
		Report: func(f proof.Finding) { fmt.Fprintf(&found, "%d: %s\n", f.Sequence, f.Text) },
	}
	if change != nil {
		change(&config)
	}
	summary, err := proof.Verify(r.t.Context(), config)
	r.must(err)
	return summary, found.String()
}

// all reads the whole stream.
func (r *rig) all() []eventlog.Stored {
	r.t.Helper()
	messages, err := r.log.Stored(r.t.Context(), events.StreamSessions, 1, 1000)
	r.must(err)
	return messages
}

// forge puts other messages in the place of those stored, as somebody would who has
// the server's disk: in a stream of the same name, settings, creation time, and with
// the times that the messages say. Their sequences are 1, 2, 3.
func (r *rig) forge(change func([]eventlog.Stored) []eventlog.Stored) {
	r.t.Helper()
	messages := change(r.all())
	meta := r.meta()
	r.must(r.js.DeleteStream(r.t.Context(), events.StreamSessions))
	var info server.FileStreamInfo
	r.must(json.Unmarshal(meta, &info))
	restored, err := r.nats.Server().GlobalAccount().RestoreStream(&info.StreamConfig, backup(r.t, meta))
	r.must(err)
	r.store = restored.Store()
	for i, m := range messages {
		r.must(r.store.StoreRawMsg(m.Subject, headerBytes(m.Header), m.Data, uint64(i+1), m.Time.UnixNano(), 0, false))
	}
}

// meta is what the server's disk says of the stream.
func (r *rig) meta() []byte {
	r.t.Helper()
	found, err := filepath.Glob(filepath.Join(r.nats.Server().JetStreamConfig().StoreDir, "*", "streams", events.StreamSessions, server.JetStreamMetaFile))
	r.must(err)
	if len(found) != 1 {
		r.t.Fatalf("the stream has %d files of settings", len(found))
	}
	meta, err := os.ReadFile(found[0])
	r.must(err)
	return meta
}

// backup is one of a stream without messages, as the server makes them.
func backup(t *testing.T, meta []byte) *bytes.Buffer {
	t.Helper()
	var packed bytes.Buffer
	squeezed := s2.NewWriter(&packed)
	archive := tar.NewWriter(squeezed)
	header := &tar.Header{Name: server.JetStreamMetaFile, Mode: 0o600, Size: int64(len(meta)), Typeflag: tar.TypeReg}
	if err := archive.WriteHeader(header); err != nil {
		t.Fatal(err)
	}
	if _, err := archive.Write(meta); err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := squeezed.Close(); err != nil {
		t.Fatal(err)
	}
	return &packed
}

func headerBytes(header map[string][]string) []byte {
	var b bytes.Buffer
	b.WriteString("NATS/1.0\r\n")
	for name, values := range header {
		for _, value := range values {
			b.WriteString(name + ": " + value + "\r\n")
		}
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// remove takes a message out of the stream behind the server's back.
func (r *rig) remove(sequence uint64) {
	r.t.Helper()
	r.forge(func(m []eventlog.Stored) []eventlog.Stored { return m })
	if removed, err := r.store.EraseMsg(sequence); err != nil || !removed {
		r.t.Fatalf("message %d was not removed: %v", sequence, err)
	}
}

func swap(i, j int) func([]eventlog.Stored) []eventlog.Stored {
	return func(m []eventlog.Stored) []eventlog.Stored {
		m[i], m[j] = m[j], m[i]
		return m
	}
}

func without(i int) func([]eventlog.Stored) []eventlog.Stored {
	return func(m []eventlog.Stored) []eventlog.Stored { return slices.Delete(m, i, i+1) }
}
