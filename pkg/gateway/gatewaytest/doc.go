// Package gatewaytest lets one test what is built on a gateway, without NATS: a
// feed that is stepped by hand, and tokens.
//
//	feed := gatewaytest.NewFeed()
//	issuer := gatewaytest.NewIssuer()
//	g, err := gateway.New(ctx, gateway.Config{
//		Feed: feed, Verifier: issuer.Verifier(), Stale: gateway.FailClosed,
//	})
//	...
//	token := issuer.Token("shop", "anna", "session-1")
//	feed.Revoke("shop", "session-1") // the gateway refuses the token from here on
package gatewaytest
