package natslog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, natstest.Leaks()...) }

// TestFollowEndsWhileTheServerIsAway: nothing that waits for a server may keep a
// process from ending.
func TestFollowEndsWhileTheServerIsAway(t *testing.T) {
	t.Parallel()
	server := natstest.Start(t)
	r := newRig(t, server.URL(), 1, nil)
	r.append(logins("ann", "s", 1)...)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	handled, ended := r.follow(ctx, eventlog.FollowConfig{})
	eventually(t, "the first fact", func() bool { return handled.Load() == 1 })

	server.Shutdown()
	eventually(t, "the connection to notice", func() bool { return !r.conn.Healthy() })
	cancel()

	select {
	case err := <-ended:
		r.must(err)
	case <-time.After(4 * time.Second):
		t.Fatal("Follow did not end within four seconds")
	}
}

// TestFollowThatIsCalledOffDidNotFail: an operator who ends a process is not to be
// told of failures.
func TestFollowThatIsCalledOffDidNotFail(t *testing.T) {
	t.Parallel()
	r := newSingle(t)
	var said bytes.Buffer
	config := r.config
	config.Logger = slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelWarn}))
	log, err := natslog.New(t.Context(), r.conn, config)
	r.must(err)
	r.append(logins("ann", "s", 1)...)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r.must(log.Follow(ctx, eventlog.FollowConfig{Stream: events.StreamSessions}, func(ctx context.Context, _ eventlog.Batch) error {
		cancel()
		return ctx.Err()
	}))
	if said.Len() > 0 {
		t.Errorf("it said:\n%s", &said)
	}
}

// TestFollowHandsOutTogetherWhatCameMeanwhile: a handler that takes longer than facts take
// to come, one by one, has to be given them together, or it never catches up.
func TestFollowHandsOutTogetherWhatCameMeanwhile(t *testing.T) {
	t.Parallel()
	const facts = 60
	r := newSingle(t)
	r.append(logins("ann", "s", 1)...)
	busy, goOn := make(chan struct{}), make(chan struct{})
	var batches, handled int
	var ids []string
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- r.log.Follow(ctx, eventlog.FollowConfig{Stream: events.StreamSessions}, func(_ context.Context, batch eventlog.Batch) error {
			batches++
			if batches == 1 {
				close(busy)
				<-goOn
			}
			for _, fact := range batch.Events {
				ids = append(ids, fact.ID)
			}
			if handled += len(batch.Events); handled == facts+1 {
				cancel()
			}
			return nil
		})
	}()
	<-busy
	for i := range facts {
		r.append(logins("ann", fmt.Sprintf("later-%d", i), 1)...)
	}
	eventually(t, "all facts are sent to the follower", func() bool { return r.unsent(events.StreamSessions) == 0 })
	close(goOn)
	r.must(<-ended)
	if batches > facts/2 {
		t.Errorf("%d facts came in %d batches", handled, batches)
	}
	history, err := r.log.User(t.Context(), "shop", "ann", 0)
	r.must(err)
	for i, fact := range history {
		if fact.ID != ids[i] {
			t.Fatalf("fact %d is %s, it was handed out as %s", i, fact.ID, ids[i])
		}
	}
}

// unsent is how many messages of a stream its consumers have not been sent.
func (r *rig) unsent(stream string) (n uint64) {
	r.t.Helper()
	s, err := r.js.Stream(r.t.Context(), stream)
	r.must(err)
	for info := range s.ListConsumers(r.t.Context()).Info() {
		n += info.NumPending
	}
	return n
}

func TestFollowEndsWithItsStream(t *testing.T) {
	t.Parallel()
	r := newSingle(t)
	r.append(logins("ann", "s", 1)...)
	handled, ended := r.follow(t.Context(), eventlog.FollowConfig{})
	eventually(t, "the first fact", func() bool { return handled.Load() == 1 })
	r.must(r.js.DeleteStream(t.Context(), events.StreamSessions))
	if err := <-ended; !errors.Is(err, eventlog.ErrGap) {
		t.Fatalf("Follow of a stream that was deleted: %v, want ErrGap", err)
	}
	_, ended = r.follow(t.Context(), eventlog.FollowConfig{})
	if err := <-ended; !errors.Is(err, eventlog.ErrNotFound) {
		t.Fatalf("Follow of no stream: %v, want ErrNotFound", err)
	}
}

// TestFollowMakesAnotherConsumer takes away the one that it reads from.
func TestFollowMakesAnotherConsumer(t *testing.T) {
	t.Parallel()
	r := newSingle(t)
	handled, _ := r.follow(t.Context(), eventlog.FollowConfig{})
	for round := range int64(3) {
		r.append(logins("ann", "s"+string(rune('a'+round)), 10)...)
		eventually(t, "every fact once", func() bool { return handled.Load() == (round+1)*10 })
		r.deleteConsumers(events.StreamSessions)
	}
}

func (r *rig) deleteConsumers(stream string) {
	r.t.Helper()
	handle, err := r.js.Stream(r.t.Context(), stream)
	r.must(err)
	for name := range handle.ConsumerNames(r.t.Context()).Name() {
		r.must(handle.DeleteConsumer(r.t.Context(), name))
	}
}

// follow counts the facts of POS_SESSIONS.
func (r *rig) follow(ctx context.Context, config eventlog.FollowConfig) (*atomic.Int64, <-chan error) {
	handled := new(atomic.Int64)
	end := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	gone := make(chan struct{})
	config.Stream = events.StreamSessions
	go func() {
		defer close(gone)
		end <- r.log.Follow(ctx, config, func(_ context.Context, b eventlog.Batch) error {
			handled.Add(int64(len(b.Events)))
			return nil
		})
	}()
	r.t.Cleanup(func() { cancel(); <-gone })
	return handled, end
}

// The server may go while a chunk is filled. The chunk is handed out as it is then.
func TestAChunkDoesNotGrowByALostConsumer(t *testing.T) {
	t.Parallel()
	if natslog.GrowsWhileLost(t.Context()) {
		t.Error("a chunk grows by messages of a consumer that is lost")
	}
}

func TestFollowNeedsAStreamAndAHandler(t *testing.T) {
	t.Parallel()
	r := newSingle(t)
	nothing := func(context.Context, eventlog.Batch) error { return nil }
	if err := r.log.Follow(t.Context(), eventlog.FollowConfig{}, nothing); err == nil {
		t.Error("Follow went without a stream")
	}
	if err := r.log.Follow(t.Context(), eventlog.FollowConfig{Stream: events.StreamSessions}, nil); err == nil {
		t.Error("Follow went without a handler")
	}
}
