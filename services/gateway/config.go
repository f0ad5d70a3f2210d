package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/process"
)

// DefaultUpstreamTimeout is how long the upstream may take until it begins to
// answer.
const DefaultUpstreamTimeout = time.Minute

// DefaultMaxBody is the largest body of a request that the proxy passes on, in bytes.
const DefaultMaxBody = 64 << 20

// Config says how a Service works.
type Config struct {
	// Gateway is the SDK's. Its Token, ClientIP, Hooks.Revoked and Logger are set here.
	Gateway gateway.Config
	// TokenSources are where a request's access token may stand. A request that has
	// one in more than one place, or two in one, is refused. None means the
	// Authorization header.
	TokenSources []TokenSource
	// Upstream is what the reverse proxy passes admitted requests to. Nil means no
	// proxy.
	Upstream *url.URL
	// UpstreamTimeout is how long the upstream may take until it begins to answer.
	// 0 means DefaultUpstreamTimeout.
	UpstreamTimeout time.Duration
	// MaxBody is the largest body of a request that the proxy passes on, in bytes. 0
	// means DefaultMaxBody.
	MaxBody int64
	// Limits of the connections at Listener and at ExtAuthzListener.
	Limits process.Limits
	// TrustedProxies are the peers whose X-Forwarded-For, -Host and -Proto count.
	// None means that the peer's address is the client's.
	TrustedProxies []netip.Prefix
	// Listener is where Run serves. Required there.
	Listener net.Listener
	// ExtAuthzListener is where Run serves Envoy's gRPC ext_authz. Nil means nowhere.
	ExtAuthzListener net.Listener
	// Logger hears what the operator should know. Nil means slog.Default().
	Logger *slog.Logger
	// Metrics is where the metrics are registered. Nil means nowhere.
	Metrics prometheus.Registerer
}

func (c Config) withDefaults() (Config, error) {
	if c.UpstreamTimeout <= 0 {
		c.UpstreamTimeout = DefaultUpstreamTimeout
	}
	if c.MaxBody <= 0 {
		c.MaxBody = DefaultMaxBody
	}
	if len(c.TokenSources) == 0 {
		c.TokenSources = []TokenSource{{}}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.Logger = c.Logger.With(slog.String("component", "gateway"))
	if u := c.Upstream; u != nil && (u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return c, fmt.Errorf("gateway: upstream %q is no http or https URL", u.Redacted())
	}
	if c.Gateway.Hooks.Revoked != nil || c.Gateway.ClientIP != nil || c.Gateway.Token != nil {
		return c, errors.New("gateway: Config.Gateway.Hooks.Revoked, ClientIP and Token are the service's own")
	}
	return c, nil
}
