package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/fleet"
	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/tokens"
	"github.com/posse-pos/posse/pkg/token"
	"github.com/posse-pos/posse/services/recorder"
)

func recorderCommand() *cli.Command {
	return &cli.Command{
		Name:  "recorder",
		Usage: "record logins and activity, end sessions, mint tokens",
		Description: `The write side: POS backends tell it what happens at the tills, and it answers the
commands of the query service over NATS. It makes the streams, the signing key
and the directory of keys if they are missing.`,
		Flags: flags(processFlags(), []cli.Flag{listenFlag()}, natsFlags(), streamFlags(), recorderFlags(), []cli.Flag{
			keysFlag(),
			postgresFlag("URL of the PostgreSQL database that holds the read model"),
			trustedProxiesFlag(),
		}, group("Tokens of another issuer, for /v1/introspect and /v1/revoke", slices.Concat(
			[]cli.Flag{tokenIssuerFlag(), text("tenant", "", "the tenant of such tokens that name none, with --token-preset wcpos")},
			foreignTokenFlags(),
		)...)),
		Action: onPostgres((*node).wireRecorder),
	}
}

func recorderFlags() []cli.Flag {
	return group("Tokens and policies",
		issuerFlag(),
		span("access-lifetime", token.DefaultAccessLifetime, "how long an access token is good"),
		toggle("no-tokens", "mint no tokens, for backends with tokens of their own; nobody can read the API then, "+
			"administrators included: it takes backend keys, which read nothing, and tokens that posse minted before"),
		policiesFlag(),
		reserveFlag(),
	)
}

func reserveFlag() cli.Flag {
	return number("storage-reserve", eventlog.Reserve>>20, "MiB of the log's storage that recorders keep for ending sessions: "+
		"with less left they refuse logins")
}

// reserve is --storage-reserve in bytes.
func reserve(cmd *cli.Command) (int64, error) {
	megabytes := cmd.Int("storage-reserve")
	if megabytes < 1 {
		return 0, fmt.Errorf("--storage-reserve: %d MiB keep nothing for ending sessions; want at least 1", megabytes)
	}
	return int64(megabytes) << 20, nil
}

func policiesFlag() cli.Flag {
	return text("policies", "", "JSON file with the tenants' idle timeouts, lifetimes and caps; see docs/operations.md")
}

func (n *node) wireRecorder(ctx context.Context) error {
	policies, err := loadPolicies(n.cmd)
	if err != nil {
		return err
	}
	id, err := n.openIdentity(ctx, longestLifetime(policies))
	if err != nil {
		return err
	}
	conn, err := n.connect(ctx, n.busConfig())
	if err != nil {
		return err
	}
	log, err := n.declareLog(ctx, conn, policies)
	if err != nil {
		return err
	}
	store, err := n.openPostgres(ctx)
	if err != nil {
		return err
	}
	gateways, err := n.trackGateways(ctx, conn)
	if err != nil {
		return err
	}
	// Not a condition of being ready: the relays that load it wait for the streams
	// that a recorder makes, and logins need no deny-set. Who asks about a token while
	// it is stale is told so, and has a policy of their own.
	revocations, err := n.followRevocations(ctx, id.verifier, gateway.FailClosed)
	if err != nil {
		return err
	}
	record, err := n.newRecorder(id, conn, log, natslog.NewGauge(conn, log), store, policies)
	if err != nil {
		return err
	}
	var foreign *tokens.Verifier
	if n.foreignTokens() {
		//nolint:contextcheck // it fetches keys until it is closed
		if foreign, err = n.openVerifier(); err != nil {
			return err
		}
	}
	worth, err := n.newIntrospection(id, foreign, revocations, record)
	if err != nil {
		return err
	}
	n.add("commands", record.Run, nil)
	return n.serveAPI(ctx, api{
		title: "posse recorder", authenticator: id.authenticator(endedIn(revocations.Revoked, store)),
		parts: []part{record, worth}, ender: record, gateways: gateways,
	})
}

func (n *node) newRecorder(
	id *identity, conn *bus.Conn, log *natslog.Log, room eventlog.Gauge, reader activesessions.Reader, policies recorder.Policies,
) (*recorder.Recorder, error) {
	kept, err := reserve(n.cmd)
	if err != nil {
		return nil, err
	}
	return recorder.New(recorder.Config{
		Log: log, Reader: reader, Bus: conn, Policies: policies, Tenants: id.tenants,
		Issuer: n.issuer(id),
		Room:   room, Reserve: kept,
		Version: semanticVersion(), Logger: n.logger, Metrics: n.registry,
	})
}

func (n *node) issuer(id *identity) *token.Issuer {
	if n.cmd.Bool("no-tokens") {
		return nil
	}
	return &token.Issuer{Keyring: id.keyring, Issuer: n.cmd.String("issuer"), AccessLifetime: n.cmd.Duration("access-lifetime")}
}

// trackGateways listens to what the gateways report of themselves.
func (n *node) trackGateways(ctx context.Context, conn *bus.Conn) (*fleet.Tracker, error) {
	tracker, err := fleet.Track(context.WithoutCancel(ctx), conn, fleet.Config{Logger: n.logger})
	if err != nil {
		return nil, err
	}
	n.onEnd("gateways", func() error { tracker.Close(); return nil })
	return tracker, nil
}

func loadPolicies(cmd *cli.Command) (recorder.Policies, error) {
	file := cmd.String("policies")
	if file == "" {
		return recorder.Policies{}, nil
	}
	return recorder.LoadPolicies(file)
}

// longestLifetime is how long the longest session of any tenant lives.
func longestLifetime(policies recorder.Policies) time.Duration {
	longest := policies.Default.Lifetime()
	for _, policy := range policies.Tenants {
		longest = max(longest, policy.Lifetime())
	}
	return longest
}
