package process_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posse-pos/posse/pkg/process"
)

// journal notes in which order components end.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) component(name string) process.Component {
	return process.Component{Name: name, Run: func(ctx context.Context) error {
		<-ctx.Done()
		j.add(name)
		return ctx.Err()
	}}
}

func TestGroupEndsInReverseOrder(t *testing.T) {
	t.Parallel()
	var ended journal
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	group := process.Group{Components: []process.Component{
		ended.component("server"), ended.component("projector"), ended.component("api"),
	}}
	go func() { result <- group.Run(ctx) }()
	cancel()
	if err := <-result; err != nil {
		t.Errorf("Run after its context ended: %v", err)
	}
	if want := []string{"api", "projector", "server"}; !slices.Equal(ended.lines, want) {
		t.Errorf("components ended as %v, want %v", ended.lines, want)
	}
}

func TestGroupEndsWhenOneFails(t *testing.T) {
	t.Parallel()
	errDisk := errors.New("disk is full")
	for name, reason := range map[string]error{"with a reason": errDisk, "without": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var ended journal
			err := process.Group{
				Logger: slog.New(slog.DiscardHandler),
				Components: []process.Component{
					ended.component("server"),
					{Name: "recorder", Run: func(context.Context) error { return reason }},
				},
			}.Run(t.Context())
			want := reason
			if want == nil {
				want = process.ErrEnded
			}
			if !errors.Is(err, want) || !strings.Contains(err.Error(), "recorder: ") {
				t.Errorf("Run = %v, want one that names recorder and wraps %v", err, want)
			}
			if !slices.Equal(ended.lines, []string{"server"}) {
				t.Errorf("the server did not end")
			}
		})
	}
}

func TestGroupDoesNotWaitForever(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ended journal
		release := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		began := time.Now()
		err := process.Group{
			Logger: slog.New(slog.DiscardHandler),
			Components: []process.Component{
				ended.component("server"),
				{Name: "stubborn", Run: func(context.Context) error { <-release; return nil }},
			},
		}.Run(ctx)
		if !errors.Is(err, process.ErrStuck) || !strings.Contains(err.Error(), "stubborn") {
			t.Errorf("Run = %v, want ErrStuck of stubborn", err)
		}
		if took := time.Since(began); took != process.DefaultGrace {
			t.Errorf("Run took %v, want %v", took, process.DefaultGrace)
		}
		close(release)
		synctest.Wait()
	})
}
