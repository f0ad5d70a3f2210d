package demo

import (
	"context"
	"errors"
	"net/http"

	"github.com/posse-pos/posse/services/posse/client"
)

// errLost says that the device's session is over.
var errLost = errors.New("demo: the session has been ended")

// api is what the shop asks of posse, of the gateway, and through it of its own
// backend.
type api struct {
	posse    *client.Client // with the backend's key
	upstream *client.Client
}

func newAPI(config Config) (*api, error) {
	posse, err := client.New(config.API, config.Key)
	if err != nil {
		return nil, err
	}
	upstream, err := client.New(config.Upstream, "")
	if err != nil {
		return nil, err
	}
	return &api{posse: posse, upstream: upstream}, nil
}

// from has a request come from the device: its user agent, and its address as a
// proxy before posse would say it.
func from(d device) http.Header {
	return http.Header{"User-Agent": {d.UserAgent}, "X-Forwarded-For": {d.IP}}
}

func (a *api) login(ctx context.Context, d device) (client.Grant, error) {
	return a.posse.Login(ctx, client.Login{
		User: d.who.ID, Roles: d.who.Roles,
		Platform: d.Platform, AppVersion: d.Version, Build: d.Build,
		Personal: client.Personal{
			Username: d.who.Username, DisplayName: d.who.Name,
			DeviceLabel: d.Label, UserAgent: d.UserAgent, ClientHints: d.Hints, IP: d.IP,
		},
	})
}

// refresh takes invalid_grant, in the words of RFC 6749 §5.2, for the end.
func (a *api) refresh(ctx context.Context, d device, grant client.Grant) (client.Grant, error) {
	next, err := a.posse.Refresh(ctx, grant, from(d))
	return next, lost(err, http.StatusBadRequest)
}

// products is a request of the device's work, through the gateway.
func (a *api) products(ctx context.Context, d device, grant client.Grant) error {
	request := client.Request{Method: http.MethodGet, Path: "/products", Header: from(d)}
	return lost(a.upstream.As(grant.Access).Do(ctx, request, nil), http.StatusUnauthorized)
}

func (a *api) logout(ctx context.Context, grant client.Grant) error {
	_, err := a.posse.As(grant.Access).End(ctx, client.End{Session: grant.Session})
	return lost(err, http.StatusUnauthorized)
}

func lost(err error, status int) error {
	if problem, ok := errors.AsType[*client.Problem](err); ok && problem.Status == status {
		return errors.Join(errLost, err)
	}
	return err
}
