package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/natstest"
)

// historyOf makes a log and returns the URL of its server.
func historyOf(t *testing.T, facts int) string {
	t.Helper()
	url, quiet := natstest.Start(t).URL(), slog.New(slog.DiscardHandler)
	conn, err := bus.Connect(t.Context(), bus.Config{URL: url, Name: t.Name(), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	log, err := natslog.New(t.Context(), conn, natslog.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
	for done := 0; done < facts; done += natslog.MaxAppend {
		batch := make([]events.Envelope, natslog.MaxAppend)
		for i := range batch {
			id := fmt.Sprintf("s-%d", done+i)
			batch[i] = events.Envelope{ID: id, Source: "/posse/test", Time: at, Event: events.LoggedIn{
				Key:            events.Key{Tenant: "shop", User: fmt.Sprintf("u-%d", done), Session: id},
				EventTimestamp: events.TimestampOf(at), Created: events.TimestampOf(at), Expires: events.TimestampOf(at.Add(time.Hour)),
			}}
		}
		if _, err := log.Append(t.Context(), batch, nil); err != nil {
			t.Fatal(err)
		}
	}
	return url
}

// auditing is a posse audit command of its own process.
func auditing(t *testing.T, url string, args ...string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(t.Context(), "posse", append([]string{"audit"}, args...)...)
	command.Env = append(cleanEnvironment(), "POSSE_NATS="+url)
	return command
}

// TestReplayIsKilled kills a replay with SIGKILL when it has written more, a few times,
// and has it go on to its end. The file is that of one that nobody killed.
func TestReplayIsKilled(t *testing.T) {
	t.Parallel()
	const facts, most = 6_000, 5
	url := historyOf(t, facts)
	want, err := auditing(t, url, "replay").Output()
	if err != nil {
		t.Fatal(err)
	}
	if lines := bytes.Count(want, []byte("\n")); lines != facts {
		t.Fatalf("a replay has %d lines, want %d", lines, facts)
	}
	output, state := filepath.Join(t.TempDir(), "facts"), filepath.Join(t.TempDir(), "state")
	again := func() *exec.Cmd { return auditing(t, url, "replay", "--output", output, "--state", state) }
	kills := 0
	for kills < most && !replayUntilMore(t, again(), output) {
		kills++
	}
	if text, err := again().CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	got, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	if kills == 0 || !bytes.Equal(got, want) {
		t.Fatalf("after %d kills the file has %d bytes, want %d, the same as without", kills, len(got), len(want))
	}
}

// replayUntilMore kills a replay when its output has grown, and returns whether it had
// come to its end before.
func replayUntilMore(t *testing.T, command *exec.Cmd, output string) bool {
	t.Helper()
	size := sizeOf(output)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatalf("%v: %s", err, &stderr)
			}
			return true
		case <-tick.C:
			if sizeOf(output) > size {
				_ = command.Process.Kill()
				return <-ended == nil
			}
		}
	}
}

func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// TestOneReplayPerState: the second would cut the first one's output.
func TestOneReplayPerState(t *testing.T) {
	t.Parallel()
	state := filepath.Join(t.TempDir(), "state")
	unlock, err := lockState(state)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockState(state); err == nil {
		t.Fatal("two replays have one state")
	}
	unlock()
	if unlock, err = lockState(state); err != nil {
		t.Fatal(err)
	}
	unlock()
}
