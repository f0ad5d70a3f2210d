package query

import (
	"errors"

	"github.com/danielgtaylor/huma/v2"

	"github.com/posse-pos/posse/services/query/changes"
	"github.com/posse-pos/posse/services/query/reads"
)

// ErrNotReady says that the service does not hear changes yet.
var ErrNotReady = errors.New("query: does not hear changes yet")

// Service is made with New; Register adds its routes to an API.
type Service struct {
	config  Config
	reads   *reads.Reads
	hub     *changes.Hub
	metrics *metrics
	front   front
}

// New returns a service that answers as soon as its routes are served, and hears
// changes while Run runs.
func New(config Config) (*Service, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Service{config: config, reads: reads.New(config.Store, config.Now, config.Logger)}
	s.metrics, err = newMetrics(config.Metrics, func() int { return s.hub.Count() })
	if err != nil {
		return nil, err
	}
	s.hub = changes.NewHub(changes.Config{
		Store: config.Store, Bus: config.Bus, MaxWatchers: config.MaxWatchers, MaxTenants: config.MaxTenants,
		PollEvery: config.PollEvery, Slow: s.metrics.slow.Inc, Logger: config.Logger,
	})
	s.front, err = s.newFront()
	return s, err
}

// Ready returns nil while changes are being heard, and ErrNotReady before.
func (s *Service) Ready() error {
	if !s.hub.Ready() {
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
