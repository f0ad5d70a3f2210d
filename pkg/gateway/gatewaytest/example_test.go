package gatewaytest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
	"github.com/posse-pos/posse/pkg/gateway/tokens"
)

// start returns a gateway on a feed, once it is ready. Tests have
// gatewaytest.WaitReady for that.
func start(feed *gatewaytest.Feed, issuer *gatewaytest.Issuer, now func() time.Time) *gateway.Gateway {
	g, err := gateway.New(context.Background(), gateway.Config{
		Feed: feed, Verifier: issuer.Verifier(), Stale: gateway.FailClosed, Now: now, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}
	for g.Ready() != nil {
		<-time.After(time.Millisecond)
	}
	return g
}

// reason says how the gateway decides about a token.
func reason(g *gateway.Gateway, token string) gateway.Reason {
	_, err := g.Check(token)
	if denial, ok := errors.AsType[*gateway.Denial](err); ok {
		return denial.Reason
	}
	return gateway.ReasonAllowed
}

// What the feed is told to send is applied when the method returns: a test needs
// not wait.
func ExampleFeed() {
	feed, issuer := gatewaytest.NewFeed(), gatewaytest.NewIssuer()
	g := start(feed, issuer, nil)
	defer g.Close()
	token := issuer.Token("shop", "anna", "session-1")

	fmt.Println(reason(g, token))
	feed.Revoke("shop", "session-1")
	fmt.Println(reason(g, token))
	// Output:
	// allowed
	// session_revoked
}

// A line that hangs delivers late. Step by step, a test sees what is decided in
// between.
func ExampleFeed_Step() {
	feed, issuer := gatewaytest.NewFeed(), gatewaytest.NewIssuer()
	g := start(feed, issuer, nil)
	defer g.Close()
	phone, till := issuer.Token("shop", "anna", "phone"), issuer.Token("shop", "anna", "till")

	feed.Freeze()
	feed.Revoke("shop", "phone")
	feed.Revoke("shop", "till")
	fmt.Println(reason(g, phone), reason(g, till))
	for feed.Step() {
		fmt.Println(reason(g, phone), reason(g, till))
	}
	// Output:
	// allowed allowed
	// session_revoked allowed
	// session_revoked session_revoked
}

// With a clock that stands still, a gateway goes stale when the test says so. It
// must not sign anybody out then: the denial is to try again, not to sign in.
func ExampleClock() {
	clock, feed, issuer := gatewaytest.NewClock(), gatewaytest.NewFeed(), gatewaytest.NewIssuer()
	feed.Now, issuer.Now = clock.Now, clock.Now
	g := start(feed, issuer, clock.Now)
	defer g.Close()
	token := issuer.Token("shop", "anna", "session-1")

	clock.Advance(time.Minute) // and no word from posse
	fmt.Println(reason(g, token))
	feed.Tick()
	fmt.Println(reason(g, token))
	// Output:
	// gateway_stale
	// allowed
}

// An issuer signs what no issuer should, too.
func ExampleIssuer_Sign() {
	issuer := gatewaytest.NewIssuer()
	token := issuer.Sign(map[string]any{
		"iss": gatewaytest.Name, "sub": "anna", "tenant": "shop", "type": tokens.TypeAccess,
		"exp": time.Now().Add(time.Minute).Unix(),
	})
	_, err := issuer.Verifier().Verify(token)
	fmt.Println(errors.Is(err, tokens.ErrClaims), err)
	// Output: true tokens: claim is missing or unusable: sid is missing
}
