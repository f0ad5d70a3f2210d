package eventlogtest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// follower runs Follow and collects what it hands over.
type follower struct {
	t       *testing.T
	cancel  context.CancelFunc
	ended   chan error
	changed chan struct{}

	mu      sync.Mutex
	batches []eventlog.Batch
	facts   []eventlog.Recorded
}

// follow starts a follower; before, if not nil, may fail a batch before it counts.
func (s *suite) follow(config eventlog.FollowConfig, before eventlog.Handler) *follower {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.ctx)
	f := &follower{t: s.t, cancel: cancel, ended: make(chan error, 1), changed: make(chan struct{}, 1)}
	if config.Stream == "" {
		config.Stream = events.StreamSessions
	}
	config.Name = "follower"
	go func() {
		f.ended <- s.Log.Follow(ctx, config, func(ctx context.Context, b eventlog.Batch) error {
			if before != nil {
				if err := before(ctx, b); err != nil {
					return err
				}
			}
			f.take(b)
			return nil
		})
	}()
	s.t.Cleanup(f.stop)
	return f
}

func (f *follower) take(b eventlog.Batch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.batches = append(f.batches, b)
	f.facts = append(f.facts, b.Events...)
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// end is the position up to which batches were handled.
func (f *follower) end() eventlog.Position {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.batches) == 0 {
		return eventlog.Position{}
	}
	return f.batches[len(f.batches)-1].End
}

// until waits for a sequence and returns all facts so far.
func (f *follower) until(s *suite, sequence uint64) []eventlog.Recorded {
	f.t.Helper()
	for f.end().Sequence < sequence {
		select {
		case <-f.changed:
		case err := <-f.ended:
			f.t.Fatalf("follow ended before sequence %d: %v", sequence, err)
		case <-s.ctx.Done():
			f.t.Fatalf("follower stands at %d, waiting for %d", f.end().Sequence, sequence)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.facts
}

// fails waits for Follow to end by itself.
func (f *follower) fails(s *suite) error {
	f.t.Helper()
	select {
	case err := <-f.ended:
		f.ended <- err
		return err
	case <-s.ctx.Done():
		f.t.Fatal("follow went on")
		return nil
	}
}

func (f *follower) stop() {
	f.cancel()
	err := <-f.ended
	f.ended <- nil
	if err != nil && !errors.Is(err, eventlog.ErrGap) && !errors.Is(err, eventlog.ErrHalt) && !errors.Is(err, eventlog.ErrNotFound) {
		f.t.Errorf("follow ended with %v", err)
	}
}
