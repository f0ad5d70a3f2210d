package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/tokens"
	"github.com/posse-pos/posse/pkg/process"
	gatewayservice "github.com/posse-pos/posse/services/gateway"
)

func gatewayCommand() *cli.Command {
	return &cli.Command{
		Name:  "gateway",
		Usage: "refuse the requests of sessions that have ended",
		Description: `It stands before a POS backend and lets a request pass when its token is good and
its session has not ended. With --upstream it is the proxy itself; other proxies
ask it first:
   /authz/forward-auth   Traefik, Caddy, APISIX
   /authz/auth-request   nginx
   /authz/ext-authz      Envoy over HTTP; over gRPC at --ext-authz-listen
deployments/gateways has a configuration for each.

When it has heard nothing from posse for a few seconds, it may have missed
somebody being signed out. --stale-policy says what to do then, and has no
default: it is yours to choose.
   fail_closed   refuse everybody, with 503, until it hears again
   fail_open     admit everybody it does not know to be signed out
   grace=15m     admit them for that long, then refuse`,
		Flags: flags(processFlags(), []cli.Flag{listenFlag()}, natsFlags(), group("Gateway",
			stalePolicyFlag(),
			issuerFlag(),
			text("tenant", "", "the tenant to serve; all of them if empty"),
			text("name", "", "what people call this gateway, such as its shop"),
			text("snapshot", "", "file to keep the ended sessions in, so that it can start while NATS is away"),
			trustedProxiesFlag(),
		), gatewayFlags()),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			n, err := newNode(cmd)
			if err != nil {
				return err
			}
			return n.run(ctx, n.wireGateway)
		},
	}
}

func stalePolicyFlag() cli.Flag {
	return text("stale-policy", "", "what to do while sign-outs may be missed: fail_closed, fail_open or grace=DURATION (required)")
}

// gatewayFlags are those of gateways, alone or within serve.
func gatewayFlags() []cli.Flag {
	return group("Gateway", slices.Concat([]cli.Flag{
		text("upstream", "", "URL of the POS backend to pass admitted requests to"),
		size("max-body", gatewayservice.DefaultMaxBody, "bytes of the largest request body that is passed on"),
		texts("token-from", "where a request's token may stand: header, which is Authorization, cookie=NAME or parameter=NAME; "+
			"one or several, and a request with two tokens is refused. A token in a URL ends up in access logs (default: header)"),
		text("ext-authz-listen", "", "host:port on which Envoy asks over gRPC (ext_authz); it cannot if empty"),
	}, foreignTokenFlags(), []cli.Flag{
		span("stale-after", gateway.DefaultStaleAfter, "how long to hear nothing before --stale-policy counts"),
		span("touch-interval", gateway.DefaultTouchInterval, "how often a session's activity is reported at most"),
	})...)
}

func (n *node) wireGateway(ctx context.Context) error {
	//nolint:contextcheck // it fetches keys until it is closed
	verifier, err := n.openVerifier()
	if err != nil {
		return err
	}
	config, err := n.gatewayConfig(verifier)
	if err != nil {
		return err
	}
	config.Gateway.Tenant = n.cmd.String("tenant")
	config.Gateway.Name = n.cmd.String("name")
	config.Gateway.SnapshotFile = n.cmd.String("snapshot")
	config.Gateway.NATS = n.gatewayNATS()
	service, err := n.addGateway(ctx, config)
	if err != nil {
		return err
	}
	if err := n.serveExtAuthz(ctx, service); err != nil {
		return err
	}
	return n.serve(ctx, "api", n.cmd.String("listen"), service.Handler())
}

// addGateway adds a gateway without its HTTP server.
func (n *node) addGateway(ctx context.Context, config gatewayservice.Config) (*gatewayservice.Service, error) {
	service, err := gatewayservice.New(context.WithoutCancel(ctx), config)
	if err != nil {
		return nil, err
	}
	n.add("gateway", service.Run, service.Ready)
	return service, nil
}

// serveExtAuthz adds the front door of Envoy's gRPC, if the flags ask for it.
func (n *node) serveExtAuthz(ctx context.Context, service *gatewayservice.Service) error {
	address := n.cmd.String("ext-authz-listen")
	if address == "" {
		return nil
	}
	listener, err := process.Listen(ctx, "ext-authz", address)
	if err != nil {
		return err
	}
	n.addresses["ext_authz"] = process.URL("grpc", listener)
	n.add("ext-authz", func(ctx context.Context) error {
		return service.ServeExtAuthz(ctx, process.Bound(listener, n.limits()))
	}, nil)
	return nil
}

// gatewayConfig is what the flags say of a gateway, wherever it runs.
func (n *node) gatewayConfig(verifier *tokens.Verifier) (gatewayservice.Config, error) {
	stale, err := gateway.ParseStalePolicy(n.cmd.String("stale-policy"))
	if err != nil {
		return gatewayservice.Config{}, fmt.Errorf("--stale-policy: %w", err)
	}
	upstream, err := parseUpstream(n.cmd.String("upstream"))
	if err != nil {
		return gatewayservice.Config{}, err
	}
	proxies, err := trustedProxies(n.cmd)
	if err != nil {
		return gatewayservice.Config{}, err
	}
	sources, err := tokenSources(n.cmd.StringSlice("token-from"))
	if err != nil {
		return gatewayservice.Config{}, err
	}
	return gatewayservice.Config{
		Gateway: gateway.Config{
			Verifier: verifier, Stale: stale,
			StaleAfter: n.cmd.Duration("stale-after"), TouchInterval: n.cmd.Duration("touch-interval"),
		},
		TokenSources: sources, Upstream: upstream, MaxBody: n.cmd.Int64("max-body"), TrustedProxies: proxies,
		Logger: n.logger, Metrics: n.registry,
	}, nil
}

// tokenSources reads --token-from.
func tokenSources(texts []string) ([]gatewayservice.TokenSource, error) {
	var sources []gatewayservice.TokenSource
	for _, text := range texts {
		source, err := gatewayservice.ParseTokenSource(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("--token-from: %w", err)
		}
		if slices.Contains(sources, source) {
			return nil, fmt.Errorf("--token-from: %q is there twice", text)
		}
		sources = append(sources, source)
	}
	return sources, nil
}

func parseUpstream(text string) (*url.URL, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no upstream is a choice
	}
	upstream, err := url.Parse(text)
	if err != nil || upstream.Host == "" {
		return nil, errors.New("--upstream is not a URL such as http://127.0.0.1:8080")
	}
	return upstream, nil
}

// foreignTokens reports whether the flags name keys that are not posse's own.
func (n *node) foreignTokens() bool {
	return n.cmd.String("jwks") != "" || n.cmd.String("shared-secret") != ""
}

// openVerifier makes the verifier of the tokens that the flags describe.
func (n *node) openVerifier() (*tokens.Verifier, error) {
	if !n.foreignTokens() {
		return nil, fmt.Errorf("%s needs --jwks or --shared-secret: the keys of the tokens", n.cmd.FullName())
	}
	config := tokens.Config{
		Preset:   tokens.Preset(n.cmd.String("token-preset")),
		Issuer:   n.foreignIssuer(),
		Audience: n.cmd.String("audience"),
		JWKSURL:  n.cmd.String("jwks"),
		Logger:   n.logger,
	}
	if secret := n.cmd.String("shared-secret"); secret != "" {
		config.SharedSecret = []byte(secret)
	}
	if config.Preset == tokens.WCPOS {
		config.Tenant = n.cmd.String("tenant")
	}
	verifier, err := tokens.NewVerifier(config)
	if err != nil {
		return nil, err
	}
	n.onEnd("verifier", func() error { verifier.Close(); return nil })
	return verifier, nil
}
