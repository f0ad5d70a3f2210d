// Package chirouter shows the gateway SDK in a server that routes with chi. It is
// there to be copied.
package chirouter

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/go-chi/chi/v5"

	"github.com/posse-pos/posse/pkg/gateway"
)

// New returns the routes of a small POS backend. Its tills have to be signed in;
// whoever asks whether it is ready need not be.
func New(g *gateway.Gateway) http.Handler {
	r := chi.NewRouter()
	r.Get("/readyz", readiness(g))
	r.Group(func(r chi.Router) {
		r.Use(g.Middleware)
		r.Get("/sales/{id}", sale)
		r.With(only("manager")).Post("/sales/{id}/refund", refund)
	})
	return r
}

// readiness answers the probe of a load balancer, which sends tills elsewhere while
// this server would refuse them all.
func readiness(g *gateway.Gateway) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if err := g.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	}
}

// only lets sessions pass whose token names a role. It stands behind Middleware.
func only(role string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			session, _ := gateway.FromContext(r.Context())
			if !slices.Contains(session.Roles, role) {
				http.Error(w, "This is for a "+role+".", http.StatusForbidden)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// answer is about a sale, and about who asked.
type answer struct {
	Sale   string `json:"sale"`
	By     string `json:"by"`
	Refund bool   `json:"refund"`
}

func sale(w http.ResponseWriter, r *http.Request) {
	session, _ := gateway.FromContext(r.Context())
	write(w, answer{Sale: chi.URLParam(r, "id"), By: session.User})
}

func refund(w http.ResponseWriter, r *http.Request) {
	session, _ := gateway.FromContext(r.Context())
	write(w, answer{Sale: chi.URLParam(r, "id"), By: session.User, Refund: true})
}

func write(w http.ResponseWriter, a answer) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(a); err != nil {
		panic(http.ErrAbortHandler) // the till is gone
	}
}
