package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// DefaultGrace is how long a Group takes at most to end.
const DefaultGrace = 5 * time.Second

var (
	// ErrEnded says that a component returned while it should have run.
	ErrEnded = errors.New("process: component ended by itself")
	// ErrStuck says that a component did not end in time.
	ErrStuck = errors.New("process: component did not end in time")
)

// Component is a part of a process that runs until its context ends.
//
//	          Run is called             context ends            Run returns
//	(listed) ──────────────▶ (running) ──────────────▶ (ending) ───────────▶ (ended)
//	                             │ Run returns early: the whole group ends
//	                             └───────────────────────────────────────▶ (failed)
type Component struct {
	// Name appears in errors and in the log. Required.
	Name string
	// Run blocks until ctx ends, or returns the error that keeps it from going
	// on. Required.
	Run func(ctx context.Context) error
}

// Group runs components together.
type Group struct {
	// Components start in this order and end in the reverse one, each after the
	// next has ended: list what others rely on first.
	Components []Component
	// Grace bounds the whole end; 0 means DefaultGrace.
	Grace time.Duration
	// Logger hears which components do not end in time; nil means slog.Default().
	// Everything else is in the error of Run.
	Logger *slog.Logger
}

// Run runs all components until ctx ends or one of them returns, then ends the
// rest. It returns nil when ctx ended and everybody followed. Otherwise the
// error names each component that failed, with ErrEnded if it gave no reason,
// and each that did not end in time, with ErrStuck.
func (g Group) Run(ctx context.Context) error {
	if g.Logger == nil {
		g.Logger = slog.Default()
	}
	if g.Grace == 0 {
		g.Grace = DefaultGrace
	}
	early := make(chan struct{}, len(g.Components))
	tasks := make([]*task, 0, len(g.Components))
	for _, component := range g.Components {
		tasks = append(tasks, start(context.WithoutCancel(ctx), component, early))
	}
	select {
	case <-ctx.Done():
	case <-early:
	}
	err := stop(ctx, tasks, g.Grace)
	if errors.Is(err, ErrStuck) {
		g.Logger.ErrorContext(ctx, "not everything ended in time", slog.Any("error", err))
	}
	return err
}

type task struct {
	name   string
	cancel context.CancelFunc
	done   chan struct{}
	err    error // set before done is closed
}

// start runs the component and says so on early when it returns unasked.
func start(ctx context.Context, component Component, early chan<- struct{}) *task {
	ctx, cancel := context.WithCancel(ctx)
	t := &task{name: component.Name, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(t.done)
		t.err = component.Run(ctx)
		if ctx.Err() != nil {
			if errors.Is(t.err, context.Canceled) {
				t.err = nil
			}
			return
		}
		if t.err == nil {
			t.err = ErrEnded
		}
		early <- struct{}{}
	}()
	return t
}

// stop ends the tasks, last first. Once the grace is over it no longer waits
// for one before it asks the next.
func stop(ctx context.Context, tasks []*task, grace time.Duration) error {
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	var errs []error
	for _, t := range slices.Backward(tasks) {
		errs = append(errs, t.stop(deadline))
	}
	return errors.Join(errs...)
}

func (t *task) stop(deadline context.Context) error {
	t.cancel()
	select {
	case <-t.done:
	case <-deadline.Done():
		return fmt.Errorf("%s: %w", t.name, ErrStuck)
	}
	if t.err != nil {
		return fmt.Errorf("%s: %w", t.name, t.err)
	}
	return nil
}
