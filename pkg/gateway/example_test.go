package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
	"github.com/posse-pos/posse/pkg/gateway/tokens"
)

// example returns a gateway that follows a feed of this process. A real one has
// Config.NATS instead of Config.Feed.
func example() (g *gateway.Gateway, feed *gatewaytest.Feed, issuer *gatewaytest.Issuer) {
	feed, issuer = gatewaytest.NewFeed(), gatewaytest.NewIssuer()
	g, err := gateway.New(context.Background(), gateway.Config{
		Feed:     feed,
		Verifier: issuer.Verifier(),
		Stale:    gateway.FailClosed,
		Logger:   slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}
	for g.Ready() != nil {
		<-time.After(time.Millisecond)
	}
	return g, feed, issuer
}

// A gateway is made from where NATS is, whose tokens are good, and what to do while
// revocations may be missed. Nothing of that has to be reachable yet.
func ExampleNew() {
	verifier, err := tokens.NewVerifier(tokens.Config{
		Preset:       tokens.WCPOS,
		Issuer:       "https://shop.example",
		Tenant:       "shop",
		SharedSecret: []byte("read this from a file, at least 32 bytes"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer verifier.Close()
	g, err := gateway.New(context.Background(), gateway.Config{
		NATS:     gateway.NATS{URL: "nats://127.0.0.1:1"},
		Verifier: verifier,
		Stale:    gateway.Grace(15 * time.Minute),
		Logger:   slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer g.Close()
	fmt.Println(g.Ready())
	// Output: gateway: revocations are not loaded yet
}

func ExampleGateway_Check() {
	g, feed, issuer := example()
	defer g.Close()
	token := issuer.Token("shop", "anna", "session-1", "cashier")

	session, err := g.Check(token)
	fmt.Println(session.User, session.Roles, err)

	feed.Revoke("shop", "session-1")
	_, err = g.Check(token)
	fmt.Println(err, errors.Is(err, gateway.ErrRevoked))
	// Output:
	// anna [cashier] <nil>
	// gateway: session was revoked true
}

// A service that verifies tokens itself asks about their sessions only.
func ExampleGateway_CheckSession() {
	g, feed, _ := example()
	defer g.Close()
	verified := gateway.Session{Tenant: "shop", ID: "session-1"}
	fmt.Println(g.CheckSession(verified))

	feed.Revoke("shop", "session-1")
	fmt.Println(g.CheckSession(verified))
	// Output:
	// <nil>
	// gateway: session was revoked
}

func ExampleGateway_Middleware() {
	g, feed, issuer := example()
	defer g.Close()
	server := httptest.NewServer(g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, _ := gateway.FromContext(r.Context())
		fmt.Fprintf(w, "hello %s", session.User)
	})))
	defer server.Close()
	get := func() {
		request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, server.URL, http.NoBody)
		if err != nil {
			fmt.Println(err)
			return
		}
		request.Header.Set("Authorization", "Bearer "+issuer.Token("shop", "anna", "session-1"))
		answer, err := server.Client().Do(request)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(answer.StatusCode, string(body))
	}

	get()
	feed.Revoke("shop", "session-1")
	get()
	// Output:
	// 200 hello anna
	// 401 {"type":"urn:posse:problem:session_revoked","title":"Session revoked","status":401,"detail":"This session was ended. Sign in again.","reason":"session_revoked"}
}

// Whatever carries the token, gRPC metadata for instance, Admit decides about it
// and reports the activity. A Denial says whether to sign in again or to try again.
func ExampleGateway_Admit() {
	g, _, issuer := example()
	defer g.Close()
	intercept := func(token, peer string) string {
		session, err := g.Admit(token, gateway.Origin{IP: peer})
		var denial *gateway.Denial
		switch {
		case errors.As(err, &denial) && denial.Status == http.StatusServiceUnavailable:
			return "UNAVAILABLE"
		case err != nil:
			return "UNAUTHENTICATED"
		default:
			return "OK " + session.User
		}
	}
	fmt.Println(intercept(issuer.Token("shop", "anna", "session-1"), "203.0.113.9"))
	fmt.Println(intercept("not a token", "203.0.113.9"))
	// Output:
	// OK anna
	// UNAUTHENTICATED
}

// Open connections do not make requests that could be refused. A server that holds
// some hears of revocations, and asks once after it opened one.
func ExampleHooks() {
	feed, issuer := gatewaytest.NewFeed(), gatewaytest.NewIssuer()
	g, err := gateway.New(context.Background(), gateway.Config{
		Feed: feed, Verifier: issuer.Verifier(), Stale: gateway.FailClosed, Logger: slog.New(slog.DiscardHandler),
		Hooks: gateway.Hooks{Revoked: func(tenant, session string) { fmt.Println("end the sockets of", tenant, session) }},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer g.Close()
	for g.Ready() != nil {
		<-time.After(time.Millisecond)
	}
	feed.Revoke("shop", "session-1")
	fmt.Println("refuse to open one:", g.Revoked("shop", "session-1"))
	// Output:
	// end the sockets of shop session-1
	// refuse to open one: true
}

// A middleware of one's own decides with AdmitRequest, and answers with WriteDenial.
func ExampleGateway_AdmitRequest() {
	g, _, issuer := example()
	defer g.Close()
	handler := func(w http.ResponseWriter, r *http.Request) {
		session, err := g.AdmitRequest(r)
		if err != nil {
			gateway.WriteDenial(w, err)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprintln(w, "hello", session.User)
	}
	for _, token := range []string{issuer.Token("shop", "anna", "session-1"), "not a token"} {
		request := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/", http.NoBody)
		request.Header.Set("Authorization", "Bearer "+token)
		answer := httptest.NewRecorder()
		handler(answer, request)
		fmt.Println(answer.Code, answer.Header().Get("Content-Type"))
	}
	// Output:
	// 200 text/plain
	// 401 application/problem+json
}

// Requests that were verified elsewhere are activity too.
func ExampleGateway_Touch() {
	g, feed, _ := example()
	g.Touch(gateway.Session{Tenant: "shop", User: "anna", ID: "session-1"}, gateway.Origin{IP: "203.0.113.9"})
	g.Close() // sends what waits
	for _, touch := range feed.Touches() {
		fmt.Println(touch.User, touch.Session, touch.Personal.IP)
	}
	// Output: anna session-1 203.0.113.9
}

func ExampleGateway_Stats() {
	g, feed, issuer := example()
	defer g.Close()
	feed.Revoke("shop", "session-1")
	for _, session := range []string{"session-1", "session-2", "session-3"} {
		_, _ = g.Check(issuer.Token("shop", "anna", session))
	}
	stats := g.Stats()
	fmt.Println("revoked sessions:", stats.Entries)
	fmt.Println("refused:", stats.Decisions[gateway.ReasonRevoked])
	fmt.Println("admitted:", stats.Decisions[gateway.ReasonAllowed])
	// Output:
	// revoked sessions: 1
	// refused: 1
	// admitted: 2
}

// A test of a handler needs no gateway, only a session.
func ExampleNewContext() {
	handler := func(ctx context.Context) {
		session, ok := gateway.FromContext(ctx)
		fmt.Printf("%q %t\n", session.User, ok)
	}
	handler(gateway.NewContext(context.Background(), gateway.Session{Tenant: "shop", User: "anna", ID: "session-1"}))
	handler(context.Background())
	// Output:
	// "anna" true
	// "" false
}

// A proxy that passes the ids on in headers drops those that the client sent,
// however they are spelled.
func ExampleIsIdentityHeader() {
	for _, name := range []string{gateway.HeaderUser, "x_user_id", "X-User-Name"} {
		fmt.Println(name, gateway.IsIdentityHeader(name))
	}
	// Output:
	// X-User-Id true
	// x_user_id true
	// X-User-Name false
}

func ExampleParseStalePolicy() {
	policy, err := gateway.ParseStalePolicy("grace=15m")
	fmt.Println(policy, err)
	// Output: grace=15m0s <nil>
}
