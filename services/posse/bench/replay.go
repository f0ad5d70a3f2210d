package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/services/auditor/replay"
)

const (
	replayed    = 1_000_000 // events, if Config.Events does not say
	ofEachUser  = 10        // of them
	replayedAim = "≥ 0.50"
)

// measureReplay writes the history as NDJSON, in turn with an ordered consumer that
// does nothing with what it is given. Personal data is sealed, as recorders store it,
// and the replay opens it. The server is a process of its own, as it is for
// an auditor.
func measureReplay(ctx context.Context, r *run) error {
	rig, err := openBusRig(ctx, r.Dir, volatile)
	if err != nil {
		return err
	}
	defer rig.close()
	h := historyOf(r.Events, replayed)
	h.sealed = true
	if err := h.write(ctx, rig.conn.JetStream(), 0, h.users); err != nil {
		return fmt.Errorf("fill the log: %w", err)
	}
	n := h.users * h.facts
	r.section(fmt.Sprintf("replay of %s events to NDJSON, against a bare ordered consumer", grouped(float64(n))))
	bare := rig.bareConsumer(n)
	toNothing := plain("replay, to a pipe", func(ctx context.Context) (int, error) {
		return rig.replay(ctx, replay.NewLines(replay.NDJSON{}, io.Discard))
	})
	if err := r.compare(ctx, toNothing, bare, replayedAim); err != nil {
		return err
	}
	toFile := plain("replay, to a file", func(ctx context.Context) (int, error) {
		file, err := os.Create(filepath.Join(rig.dir, "replay.ndjson"))
		if err != nil {
			return 0, err
		}
		defer file.Close()
		return rig.replay(ctx, replay.NewFileLines(replay.NDJSON{}, file))
	})
	return r.compare(ctx, toFile, bare, replayedAim)
}

// historyOf is one of so many events, or of otherwise many.
func historyOf(count, otherwise int) history {
	if count == 0 {
		count = otherwise
	}
	return history{users: max(count/ofEachUser, 1), facts: ofEachUser, since: time.Now().Add(-72 * time.Hour)}
}

func (r *busRig) replay(ctx context.Context, sink replay.Sink) (int, error) {
	defer debug.SetGCPercent(debug.SetGCPercent(replay.GCPercent)) // as the command does
	done, err := replay.Run(ctx, replay.Config{Log: r.log, Sink: sink})
	return int(done.Written), err
}

// bareConsumer reads the first n events of the log.
func (r *busRig) bareConsumer(n int) workload {
	return plain("bare ordered consumer", func(ctx context.Context) (int, error) {
		return n, consumed(ctx, r.conn.JetStream(), n)
	})
}

// consumed returns when an ordered consumer has been given n events from the first on.
func consumed(ctx context.Context, js jetstream.JetStream, n int) error {
	consumer, err := js.OrderedConsumer(ctx, events.StreamSessions, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return err
	}
	done, seen := make(chan struct{}), 0
	consuming, err := consumer.Consume(func(jetstream.Msg) {
		seen++
		if seen == n {
			close(done)
		}
	})
	if err != nil {
		return err
	}
	defer consuming.Stop()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
