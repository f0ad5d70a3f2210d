package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/services/posse/client"
)

// acknowledgements is how many are waited for, one after the other.
const acknowledgements = 200

// TestSyncBehindEveryLogin holds `posse serve` to its word: when a login is answered,
// the fact and the key of what it says about a person are on the disk.
func TestSyncBehindEveryLogin(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key, err := exec.CommandContext(t.Context(), "posse", "keys", "create", "--keys", filepath.Join(dir, "keys")).Output()
	if err != nil {
		t.Fatal(err)
	}
	env := append(slices.Clone(anyPort), "POSSE_DATA="+dir, "POSSE_KEYS="+filepath.Join(dir, "keys"), "POSSE_STALE_POLICY=fail_closed")
	posse := startTraced(t, dir, env, "posse", "serve")
	backend, err := client.New(posse.addresses["api"], strings.TrimSpace(string(key)))
	if err != nil {
		t.Fatal(err)
	}
	for n := range acknowledgements {
		if _, err := backend.Login(t.Context(), client.Login{User: fmt.Sprintf("ann-%d", n)}); err != nil {
			t.Fatal(err)
		}
	}
	found := posse.end(t, `"HTTP/1\.1 201 `, "POS_SESSIONS", "KV_POS_KEYS")
	if found.acknowledged != acknowledgements || found.unsynced > 0 {
		t.Errorf("%d logins were answered, want %d; behind %d of the answers no sync stands",
			found.acknowledged, acknowledgements, found.unsynced)
	}
}

// TestSyncBehindEveryAcknowledgement holds the configuration that is shipped to the
// same, and shows that the test would notice one that syncs every two minutes.
func TestSyncBehindEveryAcknowledgement(t *testing.T) {
	t.Parallel()
	for interval, wantUnsynced := range map[string]int{"always": 0, "2m": acknowledgements} {
		t.Run(interval, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			nats := startTraced(t, dir, []string{"CONFIG=" + syncing(t, dir, interval), "STORE=" + filepath.Join(dir, "nats")}, "nats-server")
			publishFacts(t, nats.addresses["nats"], seedFile(dir, "recorder"))
			found := nats.end(t, `\\"stream\\":\\"POS_SESSIONS\\",\\"seq\\":`, "POS_SESSIONS")
			if found.acknowledged != acknowledgements || found.unsynced != wantUnsynced {
				t.Errorf("%d facts were acknowledged, want %d; behind %d no sync stands, want %d",
					found.acknowledged, acknowledgements, found.unsynced, wantUnsynced)
			}
		})
	}
}

// syncing is deployments/nats/nats.conf with another interval.
func syncing(t *testing.T, dir, interval string) (config string) {
	t.Helper()
	config, err := shippedNATS(dir, "nats.conf", "accounts.conf")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	const shipped = "sync_interval: always"
	if strings.Count(string(text), shipped) != 1 {
		t.Fatalf("nats.conf does not say %q once", shipped)
	}
	text = []byte(strings.ReplaceAll(string(text), shipped, fmt.Sprintf("sync_interval: %q", interval)))
	if err := os.WriteFile(config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return config
}

// publishFacts publishes to POS_SESSIONS as a recorder, one message after the other.
func publishFacts(t *testing.T, url, seed string) {
	t.Helper()
	conn, err := bus.Connect(t.Context(), bus.Config{URL: url, NKeyFile: seed})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := natslog.New(t.Context(), conn, natslog.Config{}); err != nil {
		t.Fatal(err)
	}
	for n := range acknowledgements {
		subject := events.SessionSubject("shop", fmt.Sprintf("ann-%d", n))
		if _, err := conn.JetStream().Publish(t.Context(), subject, []byte("a fact")); err != nil {
			t.Fatal(err)
		}
	}
}

// traced is a process under strace, which is a child of that process's parent and
// not in its way.
type traced struct {
	*child
	addresses map[string]string
	trace     string // file
}

func startTraced(t *testing.T, dir string, env []string, program string, args ...string) traced {
	t.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		t.Fatalf("%v: `make test` installs it", err)
	}
	trace := filepath.Join(dir, "trace")
	strace := []string{
		"--daemonize", "--follow-forks", "--seccomp-bpf", "--quiet=all", "--decode-fds=path", "--string-limit=512",
		"--trace=fsync,fdatasync,write,pwrite64,writev,sendmsg,sendto", "--output=" + trace, program,
	}
	c, addresses, err := spawn(dir, program, "strace", append(strace, args...), env)
	if c != nil {
		t.Cleanup(func() { _ = c.end(syscall.SIGKILL) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return traced{child: c, addresses: addresses, trace: trace}
}

// found is what a trace says.
type found struct{ acknowledged, unsynced int }

// end ends the process and reads its trace: how many writes match the expression of an
// acknowledgement, and behind how many of them something stands that was written to
// one of the streams and not synced, or nothing was synced since the one before.
//
// The kernel stops a thread before and after each call, and strace writes the stops
// in their order: so a sync that has ended before a line ended before that call.
func (p traced) end(t *testing.T, acknowledgement string, streams ...string) found {
	t.Helper()
	if err := p.child.end(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(p.trace)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	reader := traceReader{
		acknowledgement: regexp.MustCompile(acknowledgement),
		blocks:          regexp.MustCompile(`/streams/(?:` + strings.Join(streams, "|") + `)/msgs/\d+\.blk>`),
		dirty:           map[string]bool{}, pending: map[string]string{},
	}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		reader.read(lines.Text())
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return reader.found
}

// traceReader follows which block files are written and not synced yet.
type traceReader struct {
	acknowledgement, blocks *regexp.Regexp

	dirty   map[string]bool   // block files
	pending map[string]string // calls that have not returned, by thread
	synced  bool              // since the last acknowledgement
	found   found
}

func (r *traceReader) read(line string) {
	thread, call, _ := strings.Cut(line, " ")
	call = strings.TrimLeft(call, " ")
	returned := true
	switch {
	case strings.HasSuffix(call, "<unfinished ...>"):
		r.pending[thread], returned = call, false
	case strings.HasPrefix(call, "<... "):
		_, result, _ := strings.Cut(call, "resumed>")
		call = strings.TrimSuffix(r.pending[thread], "<unfinished ...>") + result
		delete(r.pending, thread)
		if !isSync(call) {
			return // it was taken note of when it began
		}
	}
	block := r.blocks.FindString(call)
	switch {
	case isSync(call):
		if returned && block != "" && strings.HasSuffix(call, "= 0") {
			delete(r.dirty, block)
			r.synced = true
		}
	case block != "":
		r.dirty[block] = true
	case r.acknowledgement.MatchString(call):
		r.found.acknowledged++
		if len(r.dirty) > 0 || !r.synced {
			r.found.unsynced++
		}
		r.synced = false
	}
}

func isSync(call string) bool {
	return strings.HasPrefix(call, "fsync(") || strings.HasPrefix(call, "fdatasync(")
}
