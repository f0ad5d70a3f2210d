package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os/exec"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/activesessions/activesessionstest"
	"github.com/posse-pos/posse/pkg/activesessions/memstore"
	"github.com/posse-pos/posse/pkg/activesessions/pgstore"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/pgtest"
	"github.com/posse-pos/posse/services/projector"
)

// TestRebuildIsKilled kills rebuilds with SIGKILL at moments of chance, while a
// projector is at work, and lets one come to its end. There is always a read model that
// serves, the old one or the new one, and in the end it is what the log says.
func TestRebuildIsKilled(t *testing.T) {
	t.Parallel()
	const facts, most = 12_000, 12
	nats, postgres := historyOf(t, facts), pgtest.New(t)
	quiet := slog.New(slog.DiscardHandler)
	conn, err := bus.Connect(t.Context(), bus.Config{URL: nats, Name: t.Name(), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	log, err := natslog.Open(t.Context(), conn, natslog.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	live, err := pgstore.Open(t.Context(), pgstore.Config{URL: postgres, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(live.Close)
	projecting(t, log, live)
	waitForPosition(t, live, facts)

	kills := 0
	for ; kills < most; kills++ {
		if rebuildUntil(t, nats, postgres, time.Duration(rand.IntN(1200))*time.Millisecond) {
			break
		}
		id := fmt.Sprintf("after-%d", kills)
		now := time.Now()
		sequence, err := log.Append(t.Context(), []events.Envelope{{ID: id, Source: "/posse/test", Time: now, Event: events.LoggedIn{
			Key:            events.Key{Tenant: "shop", User: id, Session: id},
			EventTimestamp: events.TimestampOf(now), Created: events.TimestampOf(now), Expires: events.TimestampOf(now.Add(time.Hour)),
		}}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		waitForPosition(t, live, sequence)
	}
	if out, err := rebuilding(t, nats, postgres).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	anew := memstore.New(memstore.Config{})
	projecting(t, log, anew)
	state, err := log.State(t.Context(), events.StreamSessions)
	if err != nil {
		t.Fatal(err)
	}
	waitForPosition(t, anew, state.Last)
	waitForPosition(t, live, state.Last)
	if got, want := activesessionstest.Dump(t, live), activesessionstest.Dump(t, anew); got != want {
		t.Errorf("after %d kills the read model has %d bytes, want %d that the log says", kills, len(got), len(want))
	}
}

func rebuilding(t *testing.T, nats, postgres string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(t.Context(), "posse", "projector", "rebuild")
	command.Env = append(cleanEnvironment(), "POSSE_NATS="+nats, "POSSE_POSTGRES="+postgres)
	return command
}

// rebuildUntil kills a rebuild after a while, and returns whether it had come to its
// end before.
func rebuildUntil(t *testing.T, nats, postgres string, while time.Duration) bool {
	t.Helper()
	command := rebuilding(t, nats, postgres)
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(while, func() { _ = command.Process.Kill() })
	err := command.Wait()
	if kill.Stop() && err != nil {
		t.Fatalf("%v: %s", err, &said)
	}
	return err == nil
}

// projecting runs a projector until the test ends.
func projecting(t *testing.T, log *natslog.Log, store activesessions.Writer) {
	t.Helper()
	p, err := projector.New(projector.Config{Log: log, Store: store, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func waitForPosition(t *testing.T, store activesessions.Reader, sequence uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	if err := store.WaitFor(ctx, sequence); err != nil {
		t.Fatal(err)
	}
}
