package projector

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/device"
	"github.com/posse-pos/posse/pkg/eventlog"
)

var (
	// ErrNotReady says that the read model does not yet show what the log held
	// when the projector started.
	ErrNotReady = errors.New("projector: has not caught up with the log yet")
	// ErrHalted says that the projector stopped because the log does not continue
	// where the read model stands. It wraps eventlog.ErrGap.
	ErrHalted = fmt.Errorf("projector: halted: %w", eventlog.ErrGap)
)

// Projector is made with New and works in Run.
type Projector struct {
	config    Config
	metrics   *metrics
	announcer *announcer
	streams   []*follower

	mu     sync.Mutex
	halted error
}

// Run projects until the context ends.
func Run(ctx context.Context, config Config) error {
	p, err := New(config)
	if err != nil {
		return err
	}
	return p.Run(ctx)
}

// New returns a projector that does nothing before Run.
func New(config Config) (*Projector, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	if config.Parser == nil {
		config.Parser = device.NewParser(0)
	}
	p := &Projector{config: config, announcer: newAnnouncer(config)}
	for _, stream := range []string{events.StreamSessions, events.StreamTouches} {
		p.streams = append(p.streams, newFollower(p, stream))
	}
	p.metrics, err = newMetrics(config.Metrics, p.streams)
	if err != nil {
		return nil, err
	}
	p.announcer.failures = p.metrics.announceFailures
	return p, nil
}

// Run projects until the context ends. A projector that halted stays, so that
// its metrics and Ready can say so, stops projecting, and Run returns an error
// that wraps ErrHalted when the context ends.
func (p *Projector) Run(ctx context.Context) error {
	work, stop := context.WithCancel(ctx)
	defer stop()
	var group errgroup.Group
	group.Go(func() error { p.announcer.run(work); return nil })
	group.Go(func() error { p.sweep(work); return nil })
	for _, f := range p.streams {
		group.Go(func() error {
			if err := f.run(work); err != nil {
				p.halt(f.stream, err)
				stop()
			}
			return nil
		})
	}
	_ = group.Wait() // none of them returns an error
	<-ctx.Done()
	return p.haltedErr()
}

// Ready returns nil once the read model has shown everything that the log held
// when the projector started; before that an error that wraps ErrNotReady, and
// after a halt one that wraps ErrHalted.
func (p *Projector) Ready() error {
	if err := p.haltedErr(); err != nil {
		return err
	}
	for _, f := range p.streams {
		if !f.caughtUp.Load() {
			return fmt.Errorf("%w: %s at %d", ErrNotReady, f.stream, f.at.Load())
		}
	}
	return nil
}

func (p *Projector) halt(stream string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.metrics.halted.WithLabelValues(stream).Set(1)
	p.halted = errors.Join(p.halted, fmt.Errorf("%w: %s: %w", ErrHalted, stream, err))
	p.config.Logger.Error("halted: the log does not continue where the read model stands, so nothing more is projected. "+
		"Find out what happened to the log; to show what it holds now, rebuild the read model",
		"stream", stream, "error", err)
}

func (p *Projector) haltedErr() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.halted
}
