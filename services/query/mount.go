package query

import (
	"context"

	"github.com/go-chi/chi/v5"

	"github.com/posse-pos/posse/pkg/fleet"
	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/services/query/screen"
	"github.com/posse-pos/posse/services/query/signin"
	"github.com/posse-pos/posse/services/query/wcpos"
)

// front is what the service has beside its API: the screen with its ways to sign
// in, and the incumbent's API.
type front struct {
	screen *screen.Screen
	signIn *signin.SignIn
	wcpos  *wcpos.API
}

// newFront makes what the configuration has the parts for.
func (s *Service) newFront() (f front, err error) {
	c := s.config
	if c.Ender == nil || c.Authenticator == nil {
		return f, nil
	}
	f.wcpos, err = wcpos.New(wcpos.Config{
		Reads: s.reads, Ender: c.Ender, Authenticator: c.Authenticator, TokenParameter: c.TokenParameter, Logger: c.Logger,
	})
	if err != nil || c.SignIn == nil {
		return f, err
	}
	f.screen, err = screen.New(screen.Config{
		Store: c.Store, Changes: s.hub, Ender: c.Ender, Fleet: allOf{c.Gateways, c.Confirmations},
		FrameAncestors: c.SignIn.FrameAncestors, AvatarHosts: c.AvatarHosts, TouchInterval: c.TouchInterval,
		CheckEvery: c.CheckEvery, Heartbeat: c.Heartbeat, MaxScreens: c.MaxScreens,
		Observe: s.metrics.observe, Now: c.Now, Logger: c.Logger,
	})
	if err != nil {
		return f, err
	}
	config := *c.SignIn
	config.Unavailable, config.Foreign = f.screen.Unavailable, f.screen.Foreign
	config.Pages, config.IsActivity, config.WaitFor, config.Name = f.screen, screen.IsActivity, s.reads.WaitFor, s.reads.NameOf
	f.signIn, err = signin.New(config)
	return f, err
}

// Mount adds the screen at / and the incumbent's API to the router that the API
// is on. Browsers get a page of the screen's at all paths where nothing is.
func (s *Service) Mount(r chi.Router) {
	if s.front.wcpos != nil {
		s.front.wcpos.Register(r)
	}
	if s.front.screen == nil {
		return
	}
	r.NotFound(httpapi.NotFound(s.front.screen.NotFound))
	s.front.screen.Register(r, s.front.signIn, s.front.signIn.Protection())
	r.Group(func(r chi.Router) {
		r.Use(s.front.screen.Secure)
		s.front.signIn.Register(r)
	})
}

// allOf is all that is known of the gateways.
type allOf struct {
	gateways      Gateways
	confirmations Confirmations
}

func (a allOf) Gateways(tenant string) []fleet.Gateway { return a.gateways.Gateways(tenant) }

func (a allOf) Wait(ctx context.Context, tenant string, position uint64) fleet.Report {
	if a.confirmations == nil {
		return fleet.Report{}
	}
	return a.confirmations.Wait(ctx, tenant, position)
}

type nobody struct{}

func (nobody) Gateways(string) []fleet.Gateway { return nil }
