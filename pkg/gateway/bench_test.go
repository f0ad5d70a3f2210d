package gateway_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
	"github.com/posse-pos/posse/pkg/gateway/tokens"
)

// benchGateway returns a gateway that is ready.
func benchGateway(b *testing.B, verifier *tokens.Verifier) *gateway.Gateway {
	b.Helper()
	feed := gatewaytest.NewFeed()
	g, err := gateway.New(b.Context(), gateway.Config{
		Feed: feed, Verifier: verifier, Stale: gateway.FailOpen, StatusInterval: time.Hour,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(g.Close)
	gatewaytest.WaitReady(b, g)
	for i := range 1000 {
		feed.Revoke("shop", fmt.Sprint("revoked-", i))
	}
	return g
}

// signing is an algorithm and its keys.
type signing struct {
	algorithm       jose.SignatureAlgorithm
	private, public any
}

func signings(b *testing.B) []signing {
	b.Helper()
	edPublic, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	es, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	secret := []byte("a secret of more than thirty-two bytes")
	return []signing{{jose.EdDSA, ed, edPublic}, {jose.ES256, es, es.Public()}, {jose.HS256, secret, secret}}
}

func (s signing) verifier(b *testing.B) *tokens.Verifier {
	b.Helper()
	cfg := tokens.Config{Preset: tokens.Posse, Issuer: gatewaytest.Name}
	if s.algorithm == jose.HS256 {
		cfg.SharedSecret, _ = s.public.([]byte)
	} else {
		set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: s.public, KeyID: "k1"}}})
		if err != nil {
			b.Fatal(err)
		}
		cfg.JWKS = set
	}
	v, err := tokens.NewVerifier(cfg)
	if err != nil {
		b.Fatal(err)
	}
	return v
}

// claims are those that posse mints.
type claims struct {
	jwt.Claims
	Tenant  string   `json:"tenant"`
	Session string   `json:"sid"`
	Type    string   `json:"type"`
	Roles   []string `json:"roles"`
}

func (s signing) token(b *testing.B, session string) string {
	b.Helper()
	key := jose.SigningKey{Algorithm: s.algorithm, Key: jose.JSONWebKey{Key: s.private, KeyID: "k1"}}
	signer, err := jose.NewSigner(key, nil)
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	token, err := jwt.Signed(signer).Claims(claims{
		Claims: jwt.Claims{
			Issuer: gatewaytest.Name, Subject: "anna", ID: rand.Text(),
			IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(time.Hour)),
		},
		Tenant: "shop", Session: session, Type: tokens.TypeAccess, Roles: []string{"cashier"},
	}).Serialize()
	if err != nil {
		b.Fatal(err)
	}
	return token
}

// bare verifies a token with the library alone.
func (s signing) bare(token string) error {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{s.algorithm})
	if err != nil {
		return err
	}
	var c claims
	if err := parsed.Claims(s.public, &c); err != nil {
		return err
	}
	return c.Validate(jwt.Expected{Issuer: gatewaytest.Name, Time: time.Now()})
}

// BenchmarkCheckNew compares Check of a token that was not seen before with the
// bare verification by the same library, call by call, and prints the ratio.
func BenchmarkCheckNew(b *testing.B) {
	for _, s := range signings(b) {
		b.Run(string(s.algorithm), func(b *testing.B) {
			g := benchGateway(b, s.verifier(b))
			var ours, theirs time.Duration
			n := 0
			for ; b.Loop(); n++ {
				token := s.token(b, strconv.Itoa(n))
				start := time.Now()
				err := s.bare(token)
				between := time.Now()
				_, denial := g.Check(token)
				ours += time.Since(between)
				theirs += between.Sub(start)
				if err != nil || denial != nil {
					b.Fatal(err, denial)
				}
			}
			b.ReportMetric(0, "ns/op") // minting is not what is measured
			b.ReportMetric(float64(ours.Nanoseconds())/float64(n), "ns/check")
			b.ReportMetric(float64(theirs.Nanoseconds())/float64(n), "ns/bare")
			b.ReportMetric(float64(ours)/float64(theirs), "ratio")
		})
	}
}

// BenchmarkCheckSeen is what nearly every request costs.
func BenchmarkCheckSeen(b *testing.B) {
	issuer := gatewaytest.NewIssuer()
	g := benchGateway(b, issuer.Verifier())
	seen := make([]string, 512)
	for i := range seen {
		seen[i] = issuer.Token("shop", "anna", fmt.Sprint("s", i), "cashier")
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := g.Check(seen[i%len(seen)]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAdmit is Check and the note of the activity.
func BenchmarkAdmit(b *testing.B) {
	issuer := gatewaytest.NewIssuer()
	g := benchGateway(b, issuer.Verifier())
	token := issuer.Token("shop", "anna", "s1", "cashier")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Admit(token, gateway.Origin{IP: "203.0.113.9", UserAgent: "WCPOS/1.8.1 (ios; build 231)"}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCheckRevoked is a client that does not give up.
func BenchmarkCheckRevoked(b *testing.B) {
	issuer := gatewaytest.NewIssuer()
	g := benchGateway(b, issuer.Verifier())
	token := issuer.Token("shop", "anna", "revoked-1")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Check(token); err == nil {
			b.Fatal("admitted")
		}
	}
}
