package chirouter_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/examples/chirouter"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
)

func Example() {
	clock, feed, issuer := gatewaytest.NewClock(), gatewaytest.NewFeed(), gatewaytest.NewIssuer()
	feed.Now, issuer.Now = clock.Now, clock.Now
	g, err := gateway.New(context.Background(), gateway.Config{
		Feed:     feed, // instead of NATS
		Verifier: issuer.Verifier(),
		Stale:    gateway.FailClosed,
		Now:      clock.Now,
		Logger:   slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer g.Close()
	for g.Ready() != nil {
		<-time.After(time.Millisecond)
	}
	router := chirouter.New(g)
	do := func(method, path, token string) {
		request := httptest.NewRequestWithContext(context.Background(), method, path, http.NoBody)
		request.Header.Set("Authorization", "Bearer "+token)
		answer := httptest.NewRecorder()
		router.ServeHTTP(answer, request)
		fmt.Println(answer.Code, strings.TrimSpace(answer.Body.String()))
	}
	anna, bert := issuer.Token("shop", "anna", "session-1"), issuer.Token("shop", "bert", "session-2", "manager")

	do(http.MethodGet, "/sales/7", anna)
	do(http.MethodPost, "/sales/7/refund", anna)
	do(http.MethodPost, "/sales/7/refund", bert)

	feed.Revoke("shop", "session-1")
	do(http.MethodGet, "/sales/7", anna)
	do(http.MethodGet, "/sales/7", bert)

	clock.Advance(time.Minute) // without a word from posse
	do(http.MethodGet, "/sales/7", bert)
	feed.Tick()
	do(http.MethodGet, "/sales/7", bert)
	// Output:
	// 200 {"sale":"7","by":"anna","refund":false}
	// 403 This is for a manager.
	// 200 {"sale":"7","by":"bert","refund":true}
	// 401 {"type":"urn:posse:problem:session_revoked","title":"Session revoked","status":401,"detail":"This session was ended. Sign in again.","reason":"session_revoked"}
	// 200 {"sale":"7","by":"bert","refund":false}
	// 503 {"type":"urn:posse:problem:gateway_stale","title":"Gateway is stale","status":503,"detail":"The gateway cannot tell at the moment which sessions were ended. Try again.","reason":"gateway_stale"}
	// 200 {"sale":"7","by":"bert","refund":false}
}
