package httpapi

import (
	"context"
	"net/http"
	"net/netip"

	"github.com/posse-pos/posse/pkg/clientip"
)

type clientIPKey struct{}

// ClientIP returns where the request of ctx came from, as far as that can be
// believed; "" when it did not come over HTTP.
func ClientIP(ctx context.Context) string {
	ip, _ := ctx.Value(clientIPKey{}).(string)
	return ip
}

func clientAddresses(trusted []netip.Prefix) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ip := clientip.Of(r, trusted)
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), clientIPKey{}, ip)))
		})
	}
}
