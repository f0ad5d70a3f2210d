package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/pkg/activesessions/pgstore"
)

// pingTimeout is how long /readyz waits for the database.
const pingTimeout = time.Second

func trustedProxiesFlag() cli.Flag {
	return texts("trusted-proxies", "addresses or networks (10.0.0.0/8) of the proxies whose X-Forwarded-For counts; nobody's if empty")
}

func postgresFlag(usage string) cli.Flag { return secret("postgres", usage) }

// trustedProxies reads --trusted-proxies.
func trustedProxies(cmd *cli.Command) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for _, text := range cmd.StringSlice("trusted-proxies") {
		prefix, err := parsePrefix(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("--trusted-proxies: %q is neither an address nor a network such as 10.0.0.0/8", text)
		}
		prefixes = append(prefixes, prefix)
	}
	return prefixes, nil
}

func parsePrefix(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		return netip.ParsePrefix(text)
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(address, address.BitLen()), nil
}

// openPostgres opens the read model in PostgreSQL.
func (n *node) openPostgres(ctx context.Context) (*pgstore.Store, error) {
	store, err := pgstore.Open(ctx, pgstore.Config{URL: n.cmd.String("postgres"), Logger: n.logger})
	if err != nil {
		return nil, err
	}
	n.onEnd("postgres", func() error { store.Close(); return nil })
	n.readiness.Add("postgres", func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingTimeout)
		defer cancel()
		return store.Ping(ctx)
	})
	return store, nil
}
