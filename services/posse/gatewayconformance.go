package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/services/posse/conformance"
)

// gatewayEndTime is how long a gateway may take to end before it is killed.
const gatewayEndTime = 5 * time.Second

func gatewayConformanceCommand() *cli.Command {
	return &cli.Command{
		Name:      "gateway-conformance",
		Usage:     "examine a gateway, whoever wrote it, by the contract",
		ArgsUsage: "[-- COMMAND [ARGUMENT]...]",
		Description: `It starts a small posse of its own, has the gateway follow that one, and asks it at
--url with GET and tokens of all kinds. It signs people in, revokes them one by one
and by the thousand, stops the relay, cuts and freezes the line to NATS, restarts
NATS, and says of each rule of docs/gateway-contract.md whether it was kept.

   posse gateway-conformance --url http://127.0.0.1:8080/ -- node gateway.mjs

starts the gateway with variables that say where everything is: POSSE_NATS,
POSSE_JWKS, POSSE_ISSUER, POSSE_TENANT, POSSE_STALE_POLICY, POSSE_STALE_AFTER,
POSSE_LISTEN, which is the host and port of --url, and POSSE_UPSTREAM, which is
what a reverse proxy passes requests on to. Without a command it prints them and
waits until a gateway is started with them by hand; give --nats-listen and
--issuer-listen fixed ports then, so that they are the same each time.

A gateway may leave out a part that the contract calls optional; say so with
--without, and the report says "skip":
   tenant     it serves all tenants
   problem    its refusals have no problem document
   identity   its answers do not say who is asking
   touches    it does not report when sessions were last active
   reports    it does not report what it has applied

It takes a minute or two, some more if the gateway is late, and exits with 1 if a rule is broken.`,
		Flags: flags(group("The gateway",
			text("url", "", "where the gateway is asked, such as http://127.0.0.1:8480/authz/forward-auth (required)"),
			text("policy", gateway.FailClosed.String(), "what it does while it is stale: fail_closed, fail_open or grace=DURATION"),
			span("stale-after", gateway.DefaultStaleAfter, "how long it hears nothing before it is stale"),
			text("tenant", conformance.DefaultTenant, "the tenant that it serves"),
			texts("without", "parts that it leaves out, if any"),
		), group("The examination",
			texts("only", "rules to look at, such as G6, if not all"),
			number("flood", conformance.DefaultFlood, "how many sessions are revoked at once"),
			span("patience", conformance.DefaultPatience, "how much longer than its bound to wait for what is late"),
			span("start-within", 10*time.Minute, "how long to wait for the gateway to be there"),
			text("nats-listen", "127.0.0.1:0", "host:port of NATS for the gateway; port 0 takes a free one"),
			text("issuer-listen", "127.0.0.1:0", "host:port of the issuer's keys and of the upstream"),
		)),
		Action: examineGateway,
	}
}

func examineGateway(ctx context.Context, cmd *cli.Command) error {
	if err := required(cmd, "url"); err != nil {
		return err
	}
	policy, err := gateway.ParseStalePolicy(cmd.String("policy"))
	if err != nil {
		return fmt.Errorf("--policy: %w", err)
	}
	subject := &examinee{command: cmd.Args().Slice(), out: cmd.Root().Writer, errOut: cmd.Root().ErrWriter}
	verdicts, err := conformance.Run(ctx, conformance.Config{
		URL: cmd.String("url"), Start: subject.start, Policy: policy, StaleAfter: cmd.Duration("stale-after"),
		Tenant: cmd.String("tenant"), Without: cmd.StringSlice("without"), Only: cmd.StringSlice("only"),
		Flood: cmd.Int("flood"), Patience: cmd.Duration("patience"), StartWithin: cmd.Duration("start-within"),
		NATS: cmd.String("nats-listen"), Issuer: cmd.String("issuer-listen"), Out: cmd.Root().Writer,
	})
	subject.end()
	if err != nil {
		return err
	}
	return summary(cmd.Root().Writer, verdicts)
}

// summary is the error of an examination that was not passed.
func summary(out io.Writer, verdicts []conformance.Verdict) error {
	count := map[conformance.Outcome]int{}
	for _, v := range verdicts {
		count[v.Outcome]++
	}
	fmt.Fprintf(out, "%d passed, %d failed, %d skipped\n",
		count[conformance.Passed], count[conformance.Failed], count[conformance.Skipped])
	if n := count[conformance.Failed]; n > 0 {
		return fmt.Errorf("the gateway breaks %d of %d rules", n, len(verdicts))
	}
	return nil
}

// examinee is the gateway as a command, or one that somebody starts.
type examinee struct {
	command     []string
	out, errOut io.Writer
	stop        context.CancelFunc
	ended       chan struct{}
}

func (e *examinee) start(ctx context.Context, cancel context.CancelCauseFunc, env []string) error {
	if len(e.command) == 0 {
		fmt.Fprintln(e.out, "Start the gateway with these variables, or tell it otherwise what they say:")
		for _, variable := range env {
			fmt.Fprintln(e.out, "  "+variable)
		}
		return nil
	}
	ctx, e.stop = context.WithCancel(ctx)
	child := exec.CommandContext(ctx, e.command[0], e.command[1:]...) //nolint:gosec // it is what the caller wants run
	child.Env = append(os.Environ(), env...)
	child.Stdout, child.Stderr = e.errOut, e.errOut
	child.Cancel = func() error { return child.Process.Signal(syscall.SIGTERM) }
	child.WaitDelay = gatewayEndTime
	if err := child.Start(); err != nil {
		e.stop()
		return fmt.Errorf("the gateway does not start: %w", err)
	}
	e.ended = make(chan struct{})
	go func() {
		defer close(e.ended)
		err := child.Wait()
		if err == nil {
			err = errors.New("exit status 0")
		}
		cancel(fmt.Errorf("the gateway ended: %w", err))
	}()
	return nil
}

// end ends the gateway if it is ours, and waits for it.
func (e *examinee) end() {
	if e.ended == nil {
		return
	}
	e.stop()
	<-e.ended
}
