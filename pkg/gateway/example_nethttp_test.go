package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
)

// newBackend returns the routes of a small POS backend. Its tills have to be signed
// in; whoever asks whether it is ready need not be.
func newBackend(g *gateway.Gateway) http.Handler {
	api := http.NewServeMux()
	api.HandleFunc("GET /sales/{id}", sale)

	routes := http.NewServeMux()
	routes.Handle("/", g.Middleware(api))
	routes.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := g.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	return routes
}

func sale(w http.ResponseWriter, r *http.Request) {
	session, _ := gateway.FromContext(r.Context())
	w.Header().Set("Content-Type", "application/json")
	err := json.NewEncoder(w).Encode(map[string]string{"sale": r.PathValue("id"), "by": session.User})
	if err != nil {
		panic(http.ErrAbortHandler) // the till is gone
	}
}

// A backend with net/http, and what its tills get: while the session goes on, after
// it was ended, and while the backend hears nothing from posse.
func Example_netHTTP() {
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
	backend := newBackend(g)
	get := func(path, token string) {
		request := httptest.NewRequestWithContext(context.Background(), http.MethodGet, path, http.NoBody)
		request.Header.Set("Authorization", "Bearer "+token)
		answer := httptest.NewRecorder()
		backend.ServeHTTP(answer, request)
		fmt.Println(answer.Code, strings.TrimSpace(answer.Body.String()))
	}
	anna, bert := issuer.Token("shop", "anna", "session-1"), issuer.Token("shop", "bert", "session-2")

	get("/sales/7", anna)
	feed.Revoke("shop", "session-1")
	get("/sales/7", anna)
	get("/sales/7", bert)
	clock.Advance(time.Minute) // without a word from posse
	get("/sales/7", bert)
	feed.Tick()
	get("/sales/7", bert)
	// Output:
	// 200 {"by":"anna","sale":"7"}
	// 401 {"type":"urn:posse:problem:session_revoked","title":"Session revoked","status":401,"detail":"This session was ended. Sign in again.","reason":"session_revoked"}
	// 200 {"by":"bert","sale":"7"}
	// 503 {"type":"urn:posse:problem:gateway_stale","title":"Gateway is stale","status":503,"detail":"The gateway cannot tell at the moment which sessions were ended. Try again.","reason":"gateway_stale"}
	// 200 {"by":"bert","sale":"7"}
}
