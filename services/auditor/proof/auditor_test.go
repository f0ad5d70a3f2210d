package proof_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/token"
	"github.com/posse-pos/posse/services/auditor/proof"
)

// An auditor that reads along tells within seconds what happens to the log: its
// readiness, a metric and its log say so, and it signs nothing more.
func TestAnAuditorRaisesAnAlarm(t *testing.T) {
	t.Parallel()
	copied := func(m []eventlog.Stored) []eventlog.Stored { return m }
	tests := map[string]struct {
		harm func(r *rig)
		says string
	}{
		"a purge": {
			func(r *rig) { _, err := r.store.Purge(); r.must(err) },
			`stream POS_SESSIONS starts at 11: what lies before is gone`,
		},
		"a gap": {
			func(r *rig) { _, err := r.store.EraseMsg(5); r.must(err) },
			`1 events of stream POS_SESSIONS are gone from between the others`,
		},
		"a beginning that is lost": {
			func(r *rig) { _, err := r.store.Compact(4); r.must(err) },
			`stream POS_SESSIONS starts at 4: what lies before is gone`,
		},
		"a tail that is cut": {
			func(r *rig) { r.must(r.store.Truncate(8)) },
			`stream POS_SESSIONS ends at 8, but 10 events were read or signed`,
		},
		"a tail that is written anew": {
			func(r *rig) {
				m := r.all()[9]
				r.must(r.store.Truncate(9))
				r.must(r.store.StoreRawMsg(m.Subject, headerBytes(m.Header), []byte(`{}`), 10, m.Time.UnixNano(), 0, false))
			},
			`event 10 is another one than was read`,
		},
		"a stream that is deleted": {
			func(r *rig) { r.must(r.js.DeleteStream(r.t.Context(), events.StreamSessions)) },
			`stream POS_SESSIONS does not exist`,
		},
		"a stream that is recreated": {
			func(r *rig) { r.recreate(); r.happen(11) },
			`stream POS_SESSIONS was created at \S+, the one that was read at \S+`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.happen(10)
			r.forge(copied)
			var said safeBuffer
			registry := prometheus.NewRegistry()
			auditor := r.auditor(func(c *proof.Config) {
				c.Logger, c.Metrics = slog.New(slog.NewTextHandler(&said, nil)), registry
			})
			ctx, end := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- auditor.Run(ctx) }()
			r.eventually("it is ready", func() bool { return auditor.Ready() == nil && r.signs(10) })
			began := time.Now()
			test.harm(r)
			r.eventually("it halts", func() bool { return errors.Is(auditor.Ready(), proof.ErrHalted) })
			t.Logf("noticed after %s", time.Since(began).Round(time.Millisecond))
			if err := auditor.Ready(); !regexp.MustCompile(test.says).MatchString(err.Error()) {
				t.Errorf("it says %q, want %q", err, test.says)
			}
			if halted := valueOf(t, registry, "posse_auditor_halted"); halted != 1 {
				t.Errorf("posse_auditor_halted is %v", halted)
			}
			if !strings.Contains(said.String(), "level=ERROR msg=\"halted: the log is not what it was") {
				t.Errorf("it logs:\n%s", said.String())
			}
			end()
			if err := <-ended; !errors.Is(err, proof.ErrHalted) {
				t.Errorf("it ends with %v", err)
			}
			r.must(auditor.Close())
			if found, err := filepath.Glob(r.place.String() + "/*"); err != nil || len(found) != 1 {
				t.Errorf("checkpoints: %v, %v; want that of 10 alone", found, err)
			}
		})
	}
}

// signs reports whether there is a checkpoint of that size.
func (r *rig) signs(size uint64) bool {
	_, err := r.place.Read(r.t.Context(), size)
	return err == nil
}

func valueOf(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

type safeBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// A server that is away is no alarm, and what happens meanwhile is read.
func TestAnAuditorOutlivesARestart(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.happen(3)
	auditor := r.auditor(nil)
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- auditor.Run(ctx) }()
	r.eventually("it is ready", func() bool { return auditor.Ready() == nil })
	r.nats.Restart()
	r.eventually("the stream is there again", func() bool {
		_, err := r.js.Stream(t.Context(), events.StreamSessions)
		return err == nil
	})
	r.happen(4)
	end()
	r.must(<-ended)
	r.must(auditor.Close())
	r.audit()
	if _, found := r.verify(nil); found != "" || !r.signs(7) {
		t.Errorf("found\n%s", found)
	}
}

// One whose directory was lost reads everything again, and signs only what extends
// the checkpoints.
func TestAnAuditorWithoutItsDirectory(t *testing.T) {
	t.Parallel()
	r := signed(t)
	r.must(os.RemoveAll(r.dir))
	r.happen(2)
	r.audit()
	if summary, found := r.verify(nil); found != "" || summary.Covered != 32 {
		t.Errorf("covered %d, found\n%s", summary.Covered, found)
	}
	r.must(os.RemoveAll(r.dir))
	r.forge(swap(3, 4))
	auditor := r.auditor(nil)
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- auditor.Run(ctx) }()
	r.eventually("it halts", func() bool { return errors.Is(auditor.Ready(), proof.ErrHalted) })
	if err := auditor.Ready(); !strings.Contains(err.Error(), "the events up to 32 do not hash to the checkpoint of 32") {
		t.Errorf("it says %v", err)
	}
	end()
	if err := <-ended; !errors.Is(err, proof.ErrHalted) {
		t.Errorf("it ends with %v", err)
	}
	r.must(auditor.Close())
}

func TestAnAuditorRefusesToStart(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		harm func(r *rig, c *proof.Config)
		says string
	}{
		"on a place that was rolled back": {
			func(r *rig, _ *proof.Config) { r.vault.remove(30) },
			`ends with the checkpoint of 20, but one of 30 was signed: it was rolled back`,
		},
		"on hashes that were changed": {
			func(r *rig, _ *proof.Config) {
				hashes, err := os.ReadFile(filepath.Join(r.dir, "hashes"))
				r.must(err)
				for i := range hashes {
					hashes[i] ^= 1
				}
				r.must(os.WriteFile(filepath.Join(r.dir, "hashes"), hashes, 0o600))
			},
			`the hashes in \S+ are not those of the checkpoint of 30`,
		},
		"on hashes that were cut": {
			func(r *rig, _ *proof.Config) { r.must(os.Truncate(filepath.Join(r.dir, "hashes"), 100)) },
			`holds 2 leaves, but a checkpoint of 30 was signed`,
		},
		"with another key": {
			func(r *rig, c *proof.Config) {
				var err error
				c.Key, err = proof.OpenKey(r.t.TempDir(), "example.com/pos")
				r.must(err)
			},
			`head: proof: checkpoint: .*no verifiable signatures`,
		},
		"in its own directory": {
			func(r *rig, c *proof.Config) { c.Checkpoints = proof.Directory(c.Dir + "/") },
			`checkpoints belong into another place`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := signed(t)
			config := r.config()
			test.harm(r, &config)
			if _, err := proof.New(t.Context(), config); err == nil || !regexp.MustCompile(test.says).MatchString(err.Error()) {
				t.Errorf("it starts: %v, want %q", err, test.says)
			}
		})
	}
}

func TestADirectoryHasOneAuditor(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first := r.auditor(nil)
	if _, err := proof.New(t.Context(), r.config()); err == nil || !strings.Contains(err.Error(), "another auditor uses") {
		t.Errorf("a second one starts: %v", err)
	}
	r.must(first.Close())
	r.must(r.auditor(nil).Close())
}

func TestTheKeyIsKept(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	if _, err := proof.OpenKey(dir, ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("looking makes a key: %v", err)
	}
	made, err := proof.OpenKey(dir, "example.com/pos")
	if err != nil {
		t.Fatal(err)
	}
	again, err := proof.OpenKey(dir, "")
	if err != nil || again.Public() != made.Public() || again.Origin() != "example.com/pos" {
		t.Errorf("opened again: %q of %q, %v", again.Public(), again.Origin(), err)
	}
	file := filepath.Join(dir, "audit.key")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key has mode %v, %v", info.Mode(), err)
	}
	if _, err := proof.OpenKey(dir, "example.com/other"); err == nil {
		t.Error("a key of one log is taken for that of another")
	}
	if _, err := proof.OpenKey(t.TempDir(), "two words"); err == nil {
		t.Error("an origin with a space is taken")
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := proof.OpenKey(dir, ""); !errors.Is(err, token.ErrInsecureFile) {
		t.Errorf("a key that others may read is used: %v", err)
	}
}

// What is under a proof is shown to hold by the public key alone, and no change to
// the file shows anything else.
func TestAProofIsCheckedOffline(t *testing.T) {
	t.Parallel()
	r := signed(t)
	verifiers, err := proof.Verifiers(r.key.Public())
	r.must(err)
	from := proof.Evidence{Log: r.log, Place: r.place, Dir: r.dir, Verifiers: verifiers}
	stored := r.all()
	for sequence := uint64(1); sequence <= 30; sequence++ {
		text, err := proof.Prove(t.Context(), from, sequence)
		r.must(err)
		event, under, err := proof.CheckProof(text, verifiers)
		r.must(err)
		want := stored[sequence-1]
		if event.Sequence != sequence || !bytes.Equal(event.Data, want.Data) || !event.Time.Equal(want.Time) ||
			!slices.Equal(event.Header["Nats-Msg-Id"], want.Header["Nats-Msg-Id"]) || under.Size != (sequence+9)/10*10 {
			t.Fatalf("the proof of %d shows %+v under the checkpoint of %d", sequence, event, under.Size)
		}
	}
	text, err := proof.Prove(t.Context(), from, 17)
	r.must(err)
	r.must(r.js.DeleteStream(t.Context(), events.StreamSessions))
	if _, _, err := proof.CheckProof(text, verifiers); err != nil {
		t.Errorf("a proof needs the log: %v", err)
	}
	for i := range text {
		changed := bytes.Clone(text)
		changed[i] ^= 1
		event, under, err := proof.CheckProof(changed, verifiers)
		// The last digit of a signature has bits that say nothing.
		if err == nil && (i < len(text)-6 || !bytes.Equal(proof.Leaf(event), proof.Leaf(stored[16])) || under.Size != 20) {
			t.Errorf("with byte %d (%q) changed it proves event %d under the checkpoint of %d", i, text[i], event.Sequence, under.Size)
		}
	}
	if _, _, err := proof.CheckProof(bytes.Repeat([]byte("a"), proof.MaxProof+1), verifiers); err == nil {
		t.Error("a proof of any size is read")
	}
}

func TestWhatWasNotSignedIsNotProved(t *testing.T) {
	t.Parallel()
	r := signed(t)
	verifiers, err := proof.Verifiers(r.key.Public())
	r.must(err)
	from := proof.Evidence{Log: r.log, Place: r.place, Dir: r.dir, Verifiers: verifiers}
	r.happen(1)
	for _, sequence := range []uint64{0, 31} {
		if _, err := proof.Prove(t.Context(), from, sequence); !errors.Is(err, eventlog.ErrNotFound) {
			t.Errorf("event %d is proved: %v", sequence, err)
		}
	}
	r.forge(swap(4, 5))
	if _, err := proof.Prove(t.Context(), from, 5); err == nil || !strings.Contains(err.Error(), "posse audit verify") {
		t.Errorf("an event that was changed is proved: %v", err)
	}
}
