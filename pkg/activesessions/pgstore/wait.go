package pgstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/posse-pos/posse/pkg/activesessions"
)

// pollEvery is how often the position is read while somebody waits for it.
const pollEvery = 5 * time.Millisecond

var errClosed = errors.New("store is closed")

// waiters wait for the position of POS_SESSIONS. One goroutine polls for all of
// them, and only while there are some; a writer in this process wakes them at
// once. Polling needs no connection of its own, passes poolers that LISTEN does
// not, and asks nothing of writers, whose commits NOTIFY would put in a queue.
type waiters struct {
	mu       sync.Mutex
	position uint64
	advanced chan struct{} // closed when position moved
	waiting  int
	wake     chan struct{}
	cancel   context.CancelFunc
	ended    chan struct{}
	closed   <-chan struct{}
}

func (w *waiters) start(read func(context.Context) (uint64, error)) {
	ctx, cancel := context.WithCancel(context.Background())
	w.advanced, w.wake = make(chan struct{}), make(chan struct{}, 1)
	w.cancel, w.ended, w.closed = cancel, make(chan struct{}), ctx.Done()
	go w.poll(ctx, read)
}

func (w *waiters) stop() {
	w.cancel()
	<-w.ended
}

func (w *waiters) poll(ctx context.Context, read func(context.Context) (uint64, error)) {
	defer close(w.ended)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		}
		for w.anybody() {
			if position, err := read(ctx); err == nil { // else the next may do better
				w.advance(position)
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}
}

func (w *waiters) anybody() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.waiting > 0
}

func (w *waiters) advance(position uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if position == w.position {
		return
	}
	w.position = position
	close(w.advanced)
	w.advanced = make(chan struct{})
}

func (w *waiters) enter() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting++
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *waiters) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting--
}

func (w *waiters) seen() (uint64, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.position, w.advanced
}

// WaitFor implements activesessions.Reader.
func (s *Store) WaitFor(ctx context.Context, sequence uint64) error {
	// What this process saw may be of a read model that was reset since, so the
	// database is asked at least once.
	position, err := s.position(ctx)
	if err != nil && ctx.Err() == nil {
		return err
	}
	if position >= sequence && err == nil {
		return nil
	}
	s.waiters.advance(position)
	s.waiters.enter()
	defer s.waiters.leave()
	for {
		position, advanced := s.waiters.seen()
		if position >= sequence {
			return nil
		}
		select {
		case <-advanced:
		case <-s.waiters.closed:
			return fmt.Errorf("%w: %w", activesessions.ErrBehind, errClosed)
		case <-ctx.Done():
			return fmt.Errorf("%w: want %d, stand at %d: %w", activesessions.ErrBehind, sequence, position, ctx.Err())
		}
	}
}
