package query

import (
	"context"
	"errors"

	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/pkg/process"
)

// Run is the query service as a process of its own: it serves the reads and the
// routes that end sessions on Config.Listener until the context ends.
func Run(ctx context.Context, config Config) error {
	if config.Listener == nil || config.Ender == nil || config.Authenticator == nil {
		return errors.New("query: Config.Listener, Config.Ender or Config.Authenticator is missing")
	}
	service, err := New(config)
	if err != nil {
		return err
	}
	return service.Serve(ctx)
}

// Serve is Run for a service that is already made.
func (s *Service) Serve(ctx context.Context) error {
	router, api := httpapi.New(httpapi.Config{ //nolint:contextcheck // a request has its own context
		Title:          "posse query",
		Version:        s.config.Version,
		Authenticator:  s.config.Authenticator,
		TrustedProxies: s.config.TrustedProxies,
		Logger:         s.config.Logger,
	})
	s.Register(api)
	s.Mount(router) //nolint:contextcheck // a request has its own context
	httpapi.RegisterEnders(api, s.config.Ender, s.config.Confirmations)
	server := process.HTTPServer{Name: "query", Listener: s.config.Listener, Handler: router, Logger: s.config.Logger}
	return process.Group{
		Components: []process.Component{{Name: "changes", Run: s.Run}, server.Component()},
		Logger:     s.config.Logger,
	}.Run(ctx)
}

// Run hears changes until the context ends. Without it, reads are answered and
// following the changes is refused.
func (s *Service) Run(ctx context.Context) error { return s.hub.Run(ctx) }
