package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/canarytest"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/natstest"
)

// audited is a history of three logins, and where it is signed.
type audited struct {
	t                    *testing.T
	dir, url             string
	keys, own, elsewhere string
	key                  string // public
	log                  *natslog.Log
}

func newAudited(t *testing.T) *audited {
	t.Helper()
	dir := t.TempDir()
	a := &audited{
		t: t, dir: dir, url: natstest.Start(t).URL(),
		keys: filepath.Join(dir, "keys"), own: filepath.Join(dir, "audit"), elsewhere: filepath.Join(dir, "elsewhere"),
	}
	conn, err := bus.Connect(t.Context(), bus.Config{URL: a.url, Name: t.Name()})
	a.must(err)
	t.Cleanup(conn.Close)
	a.log, err = natslog.New(t.Context(), conn, natslog.Config{})
	a.must(err)
	for _, session := range []string{"till-1", "till-2", "till-3"} {
		fact := events.Envelope{
			ID: session, Source: "/test", Time: time.Now(),
			Event: events.LoggedIn{
				Key: events.Key{Tenant: "shop", User: "anna", Session: session}, Personal: events.LoginPersonal{DisplayName: "Anna Canary"},
			},
		}
		a.append(fact)
	}
	return a
}

func (a *audited) append(fact events.Envelope) {
	a.t.Helper()
	_, err := a.log.Append(a.t.Context(), []events.Envelope{fact}, nil)
	a.must(err)
}

func (a *audited) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

// posse runs a command.
func (a *audited) posse(args ...string) (string, error) {
	var out, errOut bytes.Buffer
	err := newApp(&out, &errOut).Run(a.t.Context(), append([]string{"posse"}, args...))
	return out.String(), err
}

// says runs a command that succeeds and whose output holds the texts.
func (a *audited) says(args []string, texts ...string) string {
	a.t.Helper()
	said, err := a.posse(args...)
	for _, text := range texts {
		if err != nil || !strings.Contains(said, text) {
			a.t.Errorf("posse %s: %v, says\n%swant %q", strings.Join(args, " "), err, said, text)
		}
	}
	return said
}

// fails runs a command that fails with an error that holds the text.
func (a *audited) fails(text string, args ...string) string {
	a.t.Helper()
	said, err := a.posse(args...)
	if err == nil || !strings.Contains(err.Error(), text) {
		a.t.Errorf("posse %s: %v, want %q; it says\n%s", strings.Join(args, " "), err, text, said)
	}
	return said
}

// sign runs the role until it is ready, and ends it.
func (a *audited) sign() {
	a.t.Helper()
	ready := filepath.Join(a.dir, "ready")
	var out, errOut bytes.Buffer
	ctx, end := context.WithCancel(a.t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- newApp(&out, &errOut).Run(ctx, []string{
			"posse", "auditor", "--admin-listen", "127.0.0.1:0", "--ready-file", ready, "--nats", a.url,
			"--keys", a.keys, "--audit-dir", a.own, "--checkpoints", a.elsewhere, "--origin", "example.com/pos",
		})
	}()
	a.untilThere(ready, ended)
	end()
	a.must(<-ended)
	a.key = strings.TrimSpace(a.says([]string{"audit", "key", "--keys", a.keys}, "example.com/pos+"))
}

func (a *audited) untilThere(file string, ended <-chan error) {
	a.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		if _, err := os.Stat(file); err == nil {
			return
		}
		select {
		case err := <-ended:
			a.t.Fatalf("the auditor ended: %v", err)
		case <-deadline:
			a.t.Fatal("the auditor is not ready")
		case <-tick.C:
		}
	}
}

func TestTheHistoryIsSignedAndVerified(t *testing.T) {
	t.Parallel()
	a := newAudited(t)
	a.fails("an auditor makes it", "audit", "key", "--keys", a.keys)
	a.fails("needs --checkpoints", "auditor", "--nats", a.url)
	a.sign()
	verify := []string{"audit", "verify", "--nats", a.url, "--public-key", a.key, "--checkpoints", a.elsewhere, "--audit-dir", a.own}
	a.says(verify, "read 3 events in ", "they extend 1 checkpoints, the last of 3 events")
	a.fails("needs --checkpoints", "audit", "verify", "--public-key", a.key)
	a.fails(`"a key" is not a public key`, "audit", "verify", "--public-key", "a key", "--checkpoints", a.elsewhere)

	a.must(os.Remove(filepath.Join(a.elsewhere, "00000000000000000003.checkpoint")))
	said := a.fails("the history is not what was signed: 1 findings", verify...)
	if !strings.Contains(said, "the checkpoint of 3 that the auditor signed at ") || !strings.Contains(said, "rolled back") {
		t.Errorf("a place that was rolled back is not named:\n%s", said)
	}
}

// The second place may be an object store of another NATS.
func TestTheHistoryIsSignedIntoABucket(t *testing.T) {
	t.Parallel()
	a := newAudited(t)
	file := filepath.Join(a.dir, "vault.json")
	a.must(os.WriteFile(file, []byte(`{"url": "`+natstest.Start(t).URL()+`"}`), 0o600))
	bucket := "nats-object-store:checkpoints@" + file
	directory := a.elsewhere
	a.elsewhere = bucket
	a.sign()
	verify := []string{"audit", "verify", "--nats", a.url, "--public-key", a.key, "--audit-dir", a.own, "--checkpoints", bucket}
	a.says(verify, "read 3 events in ", "they extend 1 checkpoints, the last of 3 events")
	a.says([]string{
		"audit", "prove", "--seq", "2", "--nats", a.url, "--keys", a.keys, "--checkpoints", bucket, "--audit-dir", a.own,
	}, "c2sp.org/tlog-proof@v1\n", "\nexample.com/pos\n3\n")

	a.must(os.Mkdir(directory, 0o700))
	if said := a.fails("1 findings", append(verify, "--checkpoints", directory)...); !strings.Contains(said, "is missing in "+directory) {
		t.Errorf("a copy that lacks the checkpoint is not named:\n%s", said)
	}
	a.fails("there is no object store nothing", append(verify[:len(verify)-1], "nats-object-store:nothing@"+file)...)
	a.fails("write nats-object-store:BUCKET@CONTEXT", append(verify[:len(verify)-1], "nats-object-store:checkpoints")...)
	a.fails("there is no context", append(verify[:len(verify)-1], "nats-object-store:checkpoints@/nowhere.json")...)
}

// From the role that signs to somebody who has a file and a public key.
func TestAnEventIsProvedToOthers(t *testing.T) {
	t.Parallel()
	a := newAudited(t)
	a.sign()
	proof := a.says([]string{
		"audit", "prove", "--seq", "2", "--nats", a.url, "--keys", a.keys, "--checkpoints", a.elsewhere, "--audit-dir", a.own,
	}, "c2sp.org/tlog-proof@v1\n", "\nindex 1\n", "\nexample.com/pos\n3\n")
	a.says([]string{"audit", "trail", "--nats", a.url}, `"filter":{"from_seq":2,"limit":1},"format":"prove"`)
	file := filepath.Join(a.dir, "2.tlog-proof")
	a.must(os.WriteFile(file, []byte(proof), 0o600))
	a.says([]string{"audit", "check-proof", file, "--public-key", a.key},
		"event 2 of example.com/pos is under the checkpoint of 3, signed at ", "subject pos.v1.session.shop.anna", "Nats-Msg-Id: till-2")

	a.must(os.WriteFile(file, []byte(strings.Replace(proof, "index 1", "index 0", 1)), 0o600))
	if said := a.fails("cannot be leaf 0", "audit", "check-proof", file, "--public-key", a.key); said != "" {
		t.Errorf("a proof that was changed shows\n%s", said)
	}
	a.fails("needs the FILE of a proof", "audit", "check-proof", "--public-key", a.key)
	a.fails("needs --seq", "audit", "prove", "--public-key", a.key, "--checkpoints", a.elsewhere)
	a.fails("no checkpoint in "+a.elsewhere+" covers event 4",
		"audit", "prove", "--seq", "4", "--nats", a.url, "--public-key", a.key, "--checkpoints", a.elsewhere, "--audit-dir", a.own)
}

// What was signed and proved of a person holds when nobody can tell any more who it
// was, and no format shows it.
func TestProofsHoldWhenAUserIsForgotten(t *testing.T) {
	t.Parallel()
	a := newAudited(t)
	a.sign()
	prove := []string{"audit", "prove", "--seq", "2", "--nats", a.url, "--keys", a.keys, "--checkpoints", a.elsewhere, "--audit-dir", a.own}
	before := filepath.Join(a.dir, "before.tlog-proof")
	a.must(os.WriteFile(before, []byte(a.says(prove, "\nindex 1\n")), 0o600))
	a.says([]string{"audit", "replay", "--nats", a.url}, "Anna Canary")
	a.says([]string{"audit", "explain", "till-1", "--tenant", "shop", "--user", "anna", "--nats", a.url}, "Anna Canary")

	keys, err := a.log.Keys(t.Context(), "shop", "anna")
	a.must(err)
	forgotten := events.Forgotten{
		Tenant: "shop", User: "anna", EventTimestamp: events.TimestampOf(time.Now()),
		InitiatingEntity: events.InitiatedByAdmin, CommandID: "forget", Keys: keys,
	}
	a.append(events.Envelope{ID: "forget", Source: "/test", Time: time.Now(), Event: forgotten})
	a.must(a.log.Destroy(t.Context(), forgotten))
	a.must(os.Remove(filepath.Join(a.dir, "ready")))
	a.sign()

	a.says([]string{"audit", "verify", "--nats", a.url, "--public-key", a.key, "--checkpoints", a.elsewhere, "--audit-dir", a.own},
		"read 4 events in ", "they extend 2 checkpoints, the last of 4 events")
	after := filepath.Join(a.dir, "after.tlog-proof")
	a.must(os.WriteFile(after, []byte(a.says(prove, "\nindex 1\n")), 0o600))
	for _, proof := range []string{before, after} {
		said := a.says([]string{"audit", "check-proof", proof, "--public-key", a.key}, "event 2 of example.com/pos is under")
		if strings.Contains(said, "Canary") {
			t.Errorf("the proof says who it was:\n%s", said)
		}
	}
	for _, format := range []string{"ndjson", "csv", "table", "cef", "ocsf", "parquet"} {
		out := filepath.Join(a.dir, format)
		a.says([]string{"audit", "replay", "--nats", a.url, "--format", format, "--output", out}, "")
		if canarytest.OnDisk(t, a.dir, "Canary") {
			t.Errorf("%s says who it was", format)
		}
	}
	said := a.says([]string{"audit", "explain", "till-1", "--tenant", "shop", "--user", "anna", "--nats", a.url},
		"signed in", "the user was forgotten by admin: who it was is not known any more")
	if strings.Contains(said, "Canary") {
		t.Errorf("the life of the session says who it was:\n%s", said)
	}
}
