package conformance_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	sdk "github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/tokens"
	"github.com/posse-pos/posse/pkg/natstest"
	"github.com/posse-pos/posse/services/gateway"
	"github.com/posse-pos/posse/services/posse/conformance"
)

const exampleDir = "../../../deployments/gateways/node"

// TestGatewaysThatKeepTheContract examines posse's own gateway, by both of its
// front doors and with each policy, and the example in Node.
func TestGatewaysThatKeepTheContract(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("node"); err != nil {
		t.Fatalf("%v: run `make conformance`, which installs what the example of a gateway in Node needs", err)
	}
	if _, err := os.Stat(filepath.Join(exampleDir, "node_modules", "@nats-io", "transport-node")); err != nil {
		t.Fatalf("%v: run `make conformance`, which installs what the example of a gateway in Node needs", err)
	}
	var running sync.WaitGroup
	for _, test := range []struct {
		name, path string
		policy     sdk.StalePolicy
		flood      int
		without    []string
		skipped    string
		start      starter
	}{
		{"posse, forward auth", "/authz/forward-auth", sdk.FailClosed, 10_000, nil, "G1 G17 G24", startPosse},
		{"posse, proxy, with a grace", "/products", sdk.Grace(3 * time.Second), 1000, nil, "G1 G17", startPosse},
		{"posse, fail open", "/authz/forward-auth", sdk.FailOpen, 1000, nil, "G1 G3 G5 G10 G11 G17 G24", startPosse},
		{"the example in Node", "/", sdk.FailClosed, 10_000, []string{conformance.PartTouches}, "G1 G17 G24 G25", startExample},
	} {
		address := natstest.FreeAddress(t)
		running.Go(func() {
			g := &started{t: t, end: func() {}}
			var out bytes.Buffer
			verdicts, err := conformance.Run(t.Context(), conformance.Config{
				URL: "http://" + address + test.path, Policy: test.policy, Flood: test.flood, Without: test.without, Out: &out,
				Patience: 30 * time.Second,
				Start: func(ctx context.Context, cancel context.CancelCauseFunc, env []string) error {
					return test.start(ctx, g, cancel, env)
				},
			})
			g.end()
			var failed, skipped []string
			for _, v := range verdicts {
				switch v.Outcome {
				case conformance.Failed:
					failed = append(failed, v.Rule.ID)
				case conformance.Passed:
				case conformance.Skipped:
					skipped = append(skipped, v.Rule.ID)
				}
			}
			if err != nil || failed != nil || strings.Join(skipped, " ") != test.skipped || len(verdicts) != len(conformance.Rules()) {
				t.Errorf("%s: %v, failed %q, skipped %q, want %q skipped\n%s", test.name, err, failed, skipped, test.skipped, &out)
			}
		})
	}
	running.Wait()
}

// started is a gateway that runs.
type started struct {
	t   *testing.T
	end func()
}

type starter func(ctx context.Context, g *started, cancel context.CancelCauseFunc, env []string) error

func startPosse(ctx context.Context, g *started, cancel context.CancelCauseFunc, env []string) error {
	e := map[string]string{}
	for _, variable := range env {
		name, value, _ := strings.Cut(variable, "=")
		e[name] = value
	}
	quiet := slog.New(slog.DiscardHandler)
	//nolint:contextcheck // it fetches keys until it is closed
	verifier, err := tokens.NewVerifier(tokens.Config{
		Preset: tokens.Posse, Issuer: e["POSSE_ISSUER"], JWKSURL: e["POSSE_JWKS"], Logger: quiet,
	})
	if err != nil {
		return err
	}
	policy, err1 := sdk.ParseStalePolicy(e["POSSE_STALE_POLICY"])
	bound, err2 := time.ParseDuration(e["POSSE_STALE_AFTER"])
	upstream, err3 := url.Parse(e["POSSE_UPSTREAM"])
	listener, err4 := net.Listen("tcp", e["POSSE_LISTEN"])
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			return err
		}
	}
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		err := gateway.Run(ctx, gateway.Config{
			Gateway: sdk.Config{
				NATS: sdk.NATS{URL: e["POSSE_NATS"]}, Tenant: e["POSSE_TENANT"], Verifier: verifier, Stale: policy, StaleAfter: bound,
			},
			Upstream: upstream, Listener: listener, Logger: quiet,
		})
		cancel(fmt.Errorf("the gateway ended: %w", err))
	})
	g.end = func() { stop(); running.Wait(); verifier.Close() }
	return nil
}

func startExample(ctx context.Context, g *started, cancel context.CancelCauseFunc, env []string) error {
	ctx, stop := context.WithCancel(ctx)
	child := exec.CommandContext(ctx, "node", "gateway.mjs")
	child.Dir, child.Env = exampleDir, append(os.Environ(), env...)
	child.Stdout, child.Stderr = g.t.Output(), g.t.Output()
	child.Cancel = func() error { return child.Process.Signal(syscall.SIGTERM) }
	child.WaitDelay = 5 * time.Second
	if err := child.Start(); err != nil {
		stop()
		return err
	}
	var running sync.WaitGroup
	running.Go(func() { cancel(fmt.Errorf("the example ended: %w", child.Wait())) })
	g.end = func() { stop(); running.Wait() }
	return nil
}

func TestTheExampleIsShort(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(exampleDir, "gateway.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines) >= 80 {
		t.Errorf("gateway.mjs has %d lines, want less than 80", len(lines))
	}
	for i, line := range lines {
		if len(line) > 160 {
			t.Errorf("line %d of gateway.mjs has %d characters", i+1, len(line))
		}
	}
	lock, err := os.ReadFile(filepath.Join(exampleDir, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(lock, []byte("resolved")) {
		t.Error("package-lock.json names a registry: write it with npm's omit-lockfile-registry-resolved")
	}
}
