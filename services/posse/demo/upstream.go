package demo

import (
	"io"
	"net/http"
)

const products = `{"products":[` +
	`{"sku":"ESP","name":"Espresso","price":"2.20"},` +
	`{"sku":"CAP","name":"Cappuccino","price":"3.40"},` +
	`{"sku":"CRO","name":"Croissant","price":"2.60"},` +
	`{"sku":"BRD","name":"Rye bread","price":"4.90"}]}` + "\n"

// Upstream is the shop's backend behind the gateway. It checks nothing: whoever
// reaches it has passed the gateway.
func Upstream() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /products", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, products)
	})
	return mux
}
