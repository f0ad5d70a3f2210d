package main

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"

	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/fleet"
	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/pkg/principal"
)

// part is a service that adds its routes to an API.
type part interface{ Register(api huma.API) }

// api is what is served on one port.
type api struct {
	title         string
	authenticator principal.Authenticator
	parts         []part
	// ender ends sessions; nil means that none can be ended here.
	ender    commands.Ender
	gateways *fleet.Tracker
	// mount adds routes that are no operations of the API; nil means none.
	mount func(chi.Router)
	// around puts other handlers beside all that; nil means none.
	around func(api http.Handler) http.Handler
}

// serveAPI adds the HTTP server of the API.
func (n *node) serveAPI(ctx context.Context, a api) error {
	proxies, err := trustedProxies(n.cmd)
	if err != nil {
		return err
	}
	//nolint:contextcheck // each request has its own
	router, humaAPI := httpapi.New(httpapi.Config{
		Title: a.title, Version: semanticVersion(), Authenticator: a.authenticator, TrustedProxies: proxies, Logger: n.logger,
	})
	for _, part := range a.parts {
		part.Register(humaAPI)
	}
	if a.ender != nil {
		httpapi.RegisterEnders(humaAPI, a.ender, a.gateways)
	}
	if a.mount != nil {
		a.mount(router)
	}
	var handler http.Handler = router
	if a.around != nil {
		handler = a.around(router)
	}
	return n.serve(ctx, "api", n.cmd.String("listen"), handler)
}
