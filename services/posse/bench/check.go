package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
)

const (
	checkTokens  = 20_000    // different tokens, each checked once unseen
	seenChecks   = 1_000_000 // checks of one token
	denied       = 1_000_000 // revocations in the deny-set
	deniedWrites = 10_000    // revocations a second while lookups are timed
)

// measureCheck times the hot path of a gateway.
func measureCheck(ctx context.Context, r *run) error {
	r.section("Check in the gateway SDK, EdDSA, one caller")
	feed, issuer := gatewaytest.NewFeed(), gatewaytest.NewIssuer()
	g, err := gateway.New(ctx, gateway.Config{
		Feed: feed, Stale: gateway.FailOpen, VerifiedTokens: 2 * checkTokens, Logger: quiet,
		Verifier: issuer.Verifier(), //nolint:contextcheck // its keys are fetched from nowhere
	})
	if err != nil {
		return err
	}
	defer g.Close()
	if err := ready(ctx, g.Ready); err != nil {
		return err
	}
	if err := r.checkUnseen(g, issuer); err != nil {
		return err
	}
	if err := r.checkSeen(g, issuer.Token("shop", "anna", "seen")); err != nil {
		return err
	}
	r.lookups(ctx, g, feed)
	return nil
}

// checkUnseen checks each token once, in turn with the bare verification of the
// same token by the same library.
func (r *run) checkUnseen(g *gateway.Gateway, issuer *gatewaytest.Issuer) error {
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(issuer.JWKS(), &keys); err != nil {
		return err
	}
	var bare, checks []float64
	for round := range r.Rounds {
		batch := make([]string, checkTokens/r.Rounds)
		for i := range batch {
			batch[i] = issuer.Token("shop", "anna", fmt.Sprintf("session-%d-%d", round, i))
		}
		cost, err := each(batch, func(token string) error { return verifyBare(token, keys.Keys[0].Key) })
		if err != nil {
			return err
		}
		bare = append(bare, cost)
		cost, err = each(batch, func(token string) error { _, err := g.Check(token); return err })
		if err != nil {
			return err
		}
		checks = append(checks, cost)
	}
	r.row("bare signature verification, same library", nanos(median(bare)), "")
	r.row("Check of a token not seen before", nanos(median(checks)), "")
	r.ratio(median(checks), median(bare), "≤ 1.20")
	return nil
}

func verifyBare(token string, key any) error {
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		return err
	}
	_, err = signed.Verify(key)
	return err
}

func (r *run) checkSeen(g *gateway.Gateway, token string) error {
	var costs []float64
	for range r.Rounds {
		start := time.Now()
		for range seenChecks / r.Rounds {
			if _, err := g.Check(token); err != nil {
				return err
			}
		}
		costs = append(costs, float64(time.Since(start))/float64(seenChecks/r.Rounds))
	}
	r.row("Check of a token seen before", nanos(median(costs)), "≤ 2µs")
	return nil
}

// lookups fills the deny-set, prints what an entry takes, and times the lookup
// alone while a writer goes on.
func (r *run) lookups(ctx context.Context, g *gateway.Gateway, feed *gatewaytest.Feed) {
	sessions := make([]string, denied)
	for i := range sessions {
		sessions[i] = "0195f1c2-7d1e-7c3a-9f52-" + hex12(i)
	}
	for _, session := range sessions {
		feed.Revoke("shop", session)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	written := make(chan int, 1)
	go func() { written <- writeDenied(ctx, feed) }()
	probes := mixed(sessions)
	costs := make([]float64, 0, r.Rounds)
	began := time.Now()
	for range r.Rounds {
		start := time.Now()
		for i := range seenChecks {
			g.Revoked("shop", probes[i%len(probes)])
		}
		costs = append(costs, float64(time.Since(start))/seenChecks)
	}
	took := time.Since(began)
	stop()
	r.row("deny-set lookup, 1,000,000 entries", nanos(median(costs)), "≤ 50ns")
	r.row("  written meanwhile", grouped(float64(<-written)/took.Seconds())+"/s", "")
}

// mixed returns ids as requests bring them: in memory already, since the token
// was just read, and nine of ten of a session that is not revoked.
func mixed(revoked []string) []string {
	probes := make([]string, 1<<12)
	for i := range probes {
		probes[i] = "0195f1c2-7d1e-7c3a-a000-" + hex12(i)
		if i%10 == 0 {
			probes[i] = strings.Clone(revoked[(i*7919)%len(revoked)])
		}
	}
	return probes
}

// writeDenied revokes deniedWrites sessions a second until ctx ends.
func writeDenied(ctx context.Context, feed *gatewaytest.Feed) int {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	start, n := time.Now(), 0
	for ctx.Err() == nil {
		for due := int(time.Since(start).Seconds() * deniedWrites); n < due; n++ {
			feed.Revoke("shop", "written-"+strconv.Itoa(n))
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
	return n
}

// each returns the nanoseconds that one call takes.
func each(tokens []string, call func(string) error) (float64, error) {
	runtime.GC()
	start := time.Now()
	for _, token := range tokens {
		if err := call(token); err != nil {
			return 0, err
		}
	}
	return float64(time.Since(start)) / float64(len(tokens)), nil
}

func nanos(ns float64) string { return short(time.Duration(ns)) }

// ready waits until a check passes.
func ready(ctx context.Context, check func() error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("did not become ready: %w", err)
		}
	}
}
