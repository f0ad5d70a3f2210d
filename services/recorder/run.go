package recorder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/pkg/process"
)

// refusing is how many commands over NATS may be on their way to a refusal.
const refusing = 64

// Run is the recorder as a process of its own: it serves HTTP on
// Config.Listener and the commands over NATS until the context ends.
func Run(ctx context.Context, config Config) error {
	if config.Listener == nil || config.Authenticator == nil {
		return errors.New("recorder: Config.Listener or Config.Authenticator is missing")
	}
	r, err := New(config)
	if err != nil {
		return err
	}
	return r.Serve(ctx)
}

// Serve is Run for a recorder that is already made.
func (r *Recorder) Serve(ctx context.Context) error {
	//nolint:contextcheck // its middleware takes the context of each request
	router, api := httpapi.New(httpapi.Config{
		Title:          "posse recorder",
		Version:        r.config.Version,
		Authenticator:  r.config.Authenticator,
		TrustedProxies: r.config.TrustedProxies,
		Logger:         r.logger,
	})
	r.Register(api) //nolint:contextcheck // likewise
	httpapi.RegisterEnders(api, r, r.config.Confirmations)
	server := process.HTTPServer{Name: "recorder", Listener: r.config.Listener, Handler: router, Logger: r.logger}
	return process.Group{
		Components: []process.Component{{Name: "commands", Run: r.Run}, server.Component()},
		Logger:     r.logger,
	}.Run(ctx)
}

// Run does what the recorder does besides HTTP, until the context ends: it
// answers commands over NATS, sweeps idle sessions, and looks how much room the log
// has.
func (r *Recorder) Run(ctx context.Context) error {
	if err := r.checkReadModel(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var background sync.WaitGroup
	background.Go(func() { r.sweep(ctx) })
	background.Go(func() { r.room.watch(ctx) })
	defer func() { cancel(); background.Wait() }()
	if r.config.Bus == nil {
		<-ctx.Done()
		return nil
	}
	service := commands.Service(r.config.Version, r, r.logger)
	// The places refuse what is too much, each kind of command by itself; what waits
	// before they are asked would wait behind commands of all kinds.
	service.MaxInFlight = r.places.inAll() + refusing
	return r.config.Bus.Serve(ctx, service)
}

// ErrReadModelAhead says that the read model shows what the log does not hold:
// it was made from another log, and nothing may be decided on it.
var ErrReadModelAhead = errors.New("recorder: read model is ahead of the log")

func (r *Recorder) checkReadModel(ctx context.Context) error {
	if r.users.reader == nil {
		return nil
	}
	fresh, err := r.users.reader.Freshness(ctx)
	if err != nil {
		r.logger.WarnContext(ctx, "read model does not answer yet", slog.Any("error", err))
		return nil
	}
	end, err := r.log.State(ctx, events.StreamSessions)
	if err == nil && fresh.Position > end.Last {
		return fmt.Errorf("%w: it shows position %d, %s ends at %d: reset the read model, or restore the log",
			ErrReadModelAhead, fresh.Position, events.StreamSessions, end.Last)
	}
	return err
}
