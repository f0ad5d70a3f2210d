package query

import (
	"errors"

	"github.com/danielgtaylor/huma/v2"
)

// ErrNotReady says that the service does not hear changes yet.
var ErrNotReady = errors.New("query: does not hear changes yet")

// Service is made with New; Register adds its routes to an API.
type Service struct {
	config  Config
	hub     *hub
	metrics *metrics
}

// New returns a service that answers as soon as its routes are served, and hears
// changes while Run runs.
func New(config Config) (*Service, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Service{config: config, hub: newHub(config)}
	s.metrics, err = newMetrics(config.Metrics, s.hub.count)
	if err != nil {
		return nil, err
	}
	s.hub.slow = s.metrics.slow.Inc
	return s, nil
}

// Ready returns nil while changes are being heard, and ErrNotReady before.
func (s *Service) Ready() error {
	if !s.hub.ready() {
		return ErrNotReady
	}
	return nil
}

// Register adds the routes of the service. The API authenticates: a handler
// finds the caller in its context.
func (s *Service) Register(api huma.API) {
	s.registerMe(api)
	s.registerUsers(api)
	s.registerSessions(api)
	s.registerGateways(api)
	s.registerChanges(api)
}
