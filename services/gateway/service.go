package gateway

import (
	"context"
	"errors"
	"net/http"

	"github.com/posse-pos/posse/pkg/clientip"
	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/process"
)

// Service is a gateway with its front doors.
type Service struct {
	config  Config
	gateway *gateway.Gateway
	streams *streams
	proxy   http.Handler // nil without an upstream
}

// Run is the gateway as a process of its own: it serves on Config.Listener until
// the context ends.
func Run(ctx context.Context, config Config) error {
	if config.Listener == nil {
		return errors.New("gateway: Config.Listener is missing")
	}
	s, err := New(ctx, config)
	if err != nil {
		return err
	}
	return s.Serve(ctx)
}

// New starts a service. Like the SDK's it loads the revocations in the background,
// see Ready, and has to be ended by Run, Serve or Close, also when ctx has ended.
func New(ctx context.Context, config Config) (*Service, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Service{config: config, streams: newStreams()}
	sdk := config.Gateway
	sdk.Logger = config.Logger
	sdk.Token = tokenFrom(config.TokenSources)
	sdk.ClientIP = func(r *http.Request) string { return clientip.Of(r, config.TrustedProxies) }
	sdk.Hooks.Revoked = s.streams.end
	if s.gateway, err = gateway.New(ctx, sdk); err != nil {
		return nil, err
	}
	if config.Upstream != nil {
		s.proxy = s.newProxy()
	}
	if config.Metrics != nil {
		if err := config.Metrics.Register(collector{s}); err != nil {
			s.gateway.Close()
			return nil, err
		}
	}
	return s, nil
}

// Serve serves on Config.Listener, and on Config.ExtAuthzListener if there is one,
// until the context ends, and then ends the gateway.
func (s *Service) Serve(ctx context.Context) error {
	server := process.HTTPServer{
		Name: "gateway", Listener: s.config.Listener, Handler: s.Handler(), Limits: s.config.Limits, Logger: s.config.Logger,
	}
	components := []process.Component{{Name: "revocations", Run: s.Run}, server.Component()}
	if listener := s.config.ExtAuthzListener; listener != nil {
		listener = process.Bound(listener, s.config.Limits)
		components = append(components, process.Component{
			Name: "ext_authz", Run: func(ctx context.Context) error { return s.ServeExtAuthz(ctx, listener) },
		})
	}
	return process.Group{Components: components, Logger: s.config.Logger}.Run(ctx)
}

// Run waits for the context to end and then ends the gateway, for those who serve
// its handlers themselves.
func (s *Service) Run(ctx context.Context) error {
	<-ctx.Done()
	s.Close()
	return nil
}

// Close ends the gateway; see the SDK's Close.
func (s *Service) Close() { s.gateway.Close() }

// Ready returns nil if a good token is admitted now, and otherwise why not.
func (s *Service) Ready() error { return s.gateway.Ready() }

// Gateway returns the SDK's gateway.
func (s *Service) Gateway() *gateway.Gateway { return s.gateway }

// Handler returns all front doors of HTTP: Doors and, if there is an upstream, the
// proxy at every other path.
func (s *Service) Handler() http.Handler {
	if s.proxy == nil {
		return s.Doors(http.NotFoundHandler())
	}
	return s.Doors(s.proxy)
}

// Proxy returns the reverse proxy, or nil without an upstream.
func (s *Service) Proxy() http.Handler { return s.proxy }
