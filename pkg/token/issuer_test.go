package token_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/posse-pos/posse/pkg/token"
)

// decode verifies a token with the published keys, as a gateway does.
func decode(t *testing.T, ring *token.Keyring, compact string) (header jose.Header, claims map[string]any) {
	t.Helper()
	signed, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := signed.Verify(ring.PublicJWKS())
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return signed.Signatures[0].Header, claims
}

func TestMint(t *testing.T) {
	t.Parallel()
	for _, alg := range []token.Algorithm{token.EdDSA, token.ES256} {
		t.Run(string(alg), func(t *testing.T) {
			t.Parallel()
			issuer := newIssuer(t, &clock{noon}, alg)
			pair := mustMint(t, issuer, grant())

			header, access := decode(t, issuer.Keyring, pair.Access)
			if header.ExtraHeaders[jose.HeaderType] != "at+jwt" || header.Algorithm != string(alg) {
				t.Errorf("header of the access token: %+v", header)
			}
			if id, _ := access["jti"].(string); len(id) < 22 {
				t.Errorf("jti = %q", id)
			}
			delete(access, "jti")
			want := map[string]any{
				"iss": "https://posse.example", "sub": "ada", "tenant": "shop", "sid": "s-1", "type": "access",
				"roles": []any{"cashier"}, "iat": float64(noon.Unix()), "exp": float64(noon.Add(5 * time.Minute).Unix()),
			}
			if diff := cmp.Diff(want, access); diff != "" {
				t.Errorf("access token (-want +got)\n%s", diff)
			}
			if !pair.AccessExpires.Equal(noon.Add(5*time.Minute)) || !pair.RefreshExpires.Equal(grant().Expires) {
				t.Errorf("expires: %s and %s", pair.AccessExpires, pair.RefreshExpires)
			}
		})
	}
}

func TestAccessTokenEndsWithTheSession(t *testing.T) {
	t.Parallel()
	g := grant()
	g.Expires = noon.Add(90*time.Second + 700*time.Millisecond)
	pair := mustMint(t, newIssuer(t, &clock{noon}, ""), g)
	if want := noon.Add(90 * time.Second); !pair.AccessExpires.Equal(want) || !pair.RefreshExpires.Equal(want) {
		t.Errorf("expires at %s and %s, want %s", pair.AccessExpires, pair.RefreshExpires, want)
	}
}

func TestMintRefuses(t *testing.T) {
	t.Parallel()
	issuer := newIssuer(t, &clock{noon}, "")
	tests := map[string]func(*token.Grant){
		"no tenant":          func(g *token.Grant) { g.Tenant = "" },
		"no user":            func(g *token.Grant) { g.User = "" },
		"no session":         func(g *token.Grant) { g.Session = "" },
		"a long user":        func(g *token.Grant) { g.User = strings.Repeat("u", 129) },
		"bytes for a user":   func(g *token.Grant) { g.User = "\xff" },
		"an ended session":   func(g *token.Grant) { g.Expires = noon },
		"an endless grant":   func(g *token.Grant) { g.Expires = time.Time{} },
		"less than a second": func(g *token.Grant) { g.Expires = noon.Add(900 * time.Millisecond) },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := grant()
			change(&g)
			if _, err := issuer.Mint(g); !errors.Is(err, token.ErrInvalidGrant) {
				t.Errorf("error: %v", err)
			}
		})
	}
	if _, err := (&token.Issuer{Keyring: issuer.Keyring}).Mint(grant()); err == nil {
		t.Error("minted for no issuer")
	}
}

func TestParseRefresh(t *testing.T) {
	t.Parallel()
	at := &clock{noon}
	issuer := newIssuer(t, at, "")
	got, err := issuer.ParseRefresh(mustMint(t, issuer, grant()).Refresh)
	if err != nil {
		t.Fatal(err)
	}
	g := grant()
	want := token.RefreshClaims{
		ID: got.ID, Tenant: g.Tenant, User: g.User, Session: g.Session, Roles: g.Roles,
		Generation: g.Generation, Expires: g.Expires,
	}
	if diff := cmp.Diff(want, got); diff != "" || got.ID == "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestParseRefreshRefuses(t *testing.T) {
	t.Parallel()
	at := &clock{noon}
	issuer := newIssuer(t, at, "")
	pair := mustMint(t, issuer, grant())
	head, rest, _ := strings.Cut(pair.Refresh, ".")
	body, signature, _ := strings.Cut(rest, ".")
	elsewhere := newIssuer(t, at, "")
	named := &token.Issuer{Keyring: issuer.Keyring, Issuer: "https://other.example", Now: at.now}
	tests := map[string]string{
		"empty":             "",
		"an access token":   pair.Access,
		"another keyring":   mustMint(t, elsewhere, grant()).Refresh,
		"another issuer":    mustMint(t, named, grant()).Refresh,
		"no signature":      head + "." + body + ".",
		"another signature": head + "." + body + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64)),
		"another body":      head + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"type":"refresh"}`)) + "." + signature,
		"alg none":          base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + body + ".",
		"HS256 by our key":  signedWithPublicKey(t, issuer.Keyring, body),
		"too long":          strings.Repeat("a", 1<<20),
		"a backend key":     "posse_bk_0011223344556677_" + strings.Repeat("0", 64),
	}
	for name, compact := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := issuer.ParseRefresh(compact)
			if !errors.Is(err, token.ErrInvalid) || errors.Is(err, token.ErrExpired) {
				t.Errorf("error: %v, want ErrInvalid", err)
			}
			if len(compact) > 20 && strings.Contains(err.Error(), compact[:20]) {
				t.Errorf("the error quotes the token: %v", err)
			}
		})
	}
}

// signedWithPublicKey is the old trick of an HMAC with what everybody knows.
func signedWithPublicKey(t *testing.T, ring *token.Keyring, body string) string {
	t.Helper()
	public := ring.PublicJWKS().Keys[0]
	secret, err := json.Marshal(public)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: secret, KeyID: public.KeyID},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

func TestRefreshTokenExpires(t *testing.T) {
	t.Parallel()
	at := &clock{noon}
	issuer := newIssuer(t, at, "")
	pair := mustMint(t, issuer, grant())
	at.at = grant().Expires.Add(-time.Second)
	if _, err := issuer.ParseRefresh(pair.Refresh); err != nil {
		t.Errorf("a second before its expiry: %v", err)
	}
	at.at = grant().Expires
	if _, err := issuer.ParseRefresh(pair.Refresh); !errors.Is(err, token.ErrExpired) {
		t.Errorf("at its expiry: %v", err)
	}
}

func FuzzParseRefresh(f *testing.F) {
	issuer := newIssuer(f, &clock{noon}, "")
	pair := mustMint(f, issuer, grant())
	f.Add(pair.Refresh)
	f.Add(pair.Access)
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, compact string) {
		claims, err := issuer.ParseRefresh(compact)
		if err != nil {
			if !errors.Is(err, token.ErrInvalid) && !errors.Is(err, token.ErrExpired) {
				t.Errorf("an error of no kind: %v", err)
			}
			return
		}
		if claims.User != "ada" || claims.Generation != 7 {
			t.Errorf("somebody signed %+v", claims)
		}
	})
}

func TestParseSession(t *testing.T) {
	t.Parallel()
	now := &clock{noon}
	issuer := newIssuer(t, now, "")
	pair := mustMint(t, issuer, grant())
	for compact, want := range map[string]token.SessionClaims{
		pair.Access:  {Expires: pair.AccessExpires},
		pair.Refresh: {Expires: pair.RefreshExpires, Refresh: true},
	} {
		got, err := issuer.ParseSession(compact)
		if err != nil || len(got.ID) < 22 {
			t.Errorf("%+v, %v", got, err)
		}
		want.ID, want.Issued = got.ID, noon
		want.Tenant, want.User, want.Session, want.Roles = "shop", "ada", "s-1", []string{"cashier"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
	for is, compact := range oneOfEach(t, issuer) {
		ofSession := is == "access" || is == "refresh"
		if _, err := issuer.ParseSession(compact); ofSession == errors.Is(err, token.ErrInvalid) {
			t.Errorf("a token of kind %s: %v", is, err)
		}
	}
	if _, err := issuer.ParseSession("nonsense"); !errors.Is(err, token.ErrInvalid) {
		t.Errorf("nonsense: %v", err)
	}
	now.at = pair.AccessExpires
	if _, err := issuer.ParseSession(pair.Access); !errors.Is(err, token.ErrExpired) {
		t.Errorf("an expired access token: %v", err)
	}
}
