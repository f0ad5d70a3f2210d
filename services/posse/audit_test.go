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
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/natstest"
)

// audited is a history of three logins, and where it is signed.
type audited struct {
	t                    *testing.T
	dir, url             string
	keys, own, elsewhere string
	key                  string // public
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
	log, err := natslog.New(t.Context(), conn, natslog.Config{})
	a.must(err)
	for _, session := range []string{"till-1", "till-2", "till-3"} {
		fact := events.Envelope{
			ID: session, Source: "/test", Time: time.Now(),
			Event: events.LoggedIn{Key: events.Key{Tenant: "shop", User: "anna", Session: session}},
		}
		_, err := log.Append(t.Context(), []events.Envelope{fact}, nil)
		a.must(err)
	}
	return a
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
