package token_test

import (
	"testing"
	"time"

	"github.com/posse-pos/posse/pkg/token"
)

// BenchmarkTokens shows what a login (Mint), a refresh (ParseRefresh and Mint)
// and a request of a backend (Lookup) cost, and how a Mint of two tokens
// compares with ES256.
func BenchmarkTokens(b *testing.B) {
	var each [2]time.Duration
	for i, alg := range []token.Algorithm{token.EdDSA, token.ES256} {
		issuer := newIssuer(b, &clock{noon}, alg)
		b.Run("mint/"+string(alg), func(b *testing.B) {
			for b.Loop() {
				mustMint(b, issuer, grant())
			}
			each[i] = b.Elapsed() / time.Duration(b.N)
			if each[0] > 0 {
				b.ReportMetric(float64(each[i])/float64(each[0]), "times-EdDSA")
			}
		})
		pair := mustMint(b, issuer, grant())
		b.Run("parse/"+string(alg), func(b *testing.B) {
			for b.Loop() {
				if _, err := issuer.ParseRefresh(pair.Refresh); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	keys := openBackendKeys(b, b.TempDir())
	plaintext, _ := createKey(b, keys, "shop")
	b.Run("lookup", func(b *testing.B) {
		for b.Loop() {
			if _, err := keys.Lookup(plaintext); err != nil {
				b.Fatal(err)
			}
		}
	})
}
