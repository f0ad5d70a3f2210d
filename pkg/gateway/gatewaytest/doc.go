// Package gatewaytest lets one test what is built on a gateway, without NATS and
// without waiting.
//
// A [Feed] stands for NATS and posse behind it, and an [Issuer] signs tokens:
//
//	feed, issuer := gatewaytest.NewFeed(), gatewaytest.NewIssuer()
//	clock := gatewaytest.NewClock()
//	feed.Now, issuer.Now = clock.Now, clock.Now
//	g, err := gateway.New(t.Context(), gateway.Config{
//		Feed: feed, Verifier: issuer.Verifier(), Now: clock.Now, Stale: gateway.FailClosed,
//	})
//	if err != nil {
//		t.Fatal(err)
//	}
//	defer g.Close()
//	gatewaytest.WaitReady(t, g)
//	token := issuer.Token("shop", "anna", "session-1")
//
// The feed is stepped by hand: nothing happens on it but what the test says, and what
// the test says is applied when the method returns.
//
//	feed.Revoke("shop", "session-1") // from here on the token is refused with 401
//	clock.Advance(time.Minute)       // the gateway is stale: other tokens are refused with 503
//	feed.Tick()                      // and now it is not
//
// [Feed.Freeze] lets the line hang, [Feed.Step] lets one message through, and
// [Feed.Thaw] the others. [Feed.Touches] has what the gateway reported.
//
// A test without a clock needs none: leave Now out in all three.
package gatewaytest
