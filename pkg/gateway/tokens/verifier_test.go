package tokens_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"github.com/posse-pos/posse/pkg/gateway/tokens"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const issuer = "https://pos.example"

var (
	now    = time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
	secret = []byte("a secret of more than thirty-two bytes")
)

func clock() time.Time { return now }

// key is a key pair of an issuer that is not ours: it signs with another library.
type key struct {
	id      string
	method  jwt.SigningMethod
	private crypto.Signer
}

func newKey(tb testing.TB, id string, method jwt.SigningMethod) key {
	tb.Helper()
	var private crypto.Signer
	var err error
	switch method.Alg() {
	case "EdDSA":
		_, private, err = ed25519.GenerateKey(rand.Reader)
	case "ES256":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "RS256":
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return key{id, method, private}
}

func (k key) jwk() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.private.Public(), KeyID: k.id, Algorithm: k.method.Alg(), Use: "sig"}
}

func jwks(tb testing.TB, keys ...jose.JSONWebKey) []byte {
	tb.Helper()
	data, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func (k key) sign(tb testing.TB, claims jwt.MapClaims) string {
	tb.Helper()
	return sign(tb, k.method, k.id, k.private, claims)
}

func sign(tb testing.TB, method jwt.SigningMethod, id string, with any, claims jwt.MapClaims) string {
	tb.Helper()
	token := jwt.NewWithClaims(method, claims)
	if id != "" {
		token.Header["kid"] = id
	}
	signed, err := token.SignedString(with)
	if err != nil {
		tb.Fatal(err)
	}
	return signed
}

// good are the claims of a token that posse mints, changed.
func good(change jwt.MapClaims) jwt.MapClaims {
	claims := jwt.MapClaims{
		"iss": issuer, "sub": "anna", "tenant": "shop", "sid": "s1", "type": "access", "roles": []string{"admin", "cashier"},
		"iat": now.Add(-time.Minute).Unix(), "exp": now.Add(time.Minute).Unix(),
	}
	for name, value := range change {
		if value == nil {
			delete(claims, name)
			continue
		}
		claims[name] = value
	}
	return claims
}

func verifier(tb testing.TB, cfg tokens.Config) *tokens.Verifier {
	tb.Helper()
	if cfg.Issuer == "" {
		cfg.Issuer = issuer
	}
	cfg.Now = clock
	v, err := tokens.NewVerifier(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(v.Close)
	return v
}

func TestPosseTokens(t *testing.T) {
	t.Parallel()
	for _, method := range []jwt.SigningMethod{jwt.SigningMethodEdDSA, jwt.SigningMethodES256} {
		k := newKey(t, "k1", method)
		v := verifier(t, tokens.Config{Preset: tokens.Posse, JWKS: jwks(t, k.jwk())})
		got, err := v.Verify(k.sign(t, good(nil)))
		if err != nil {
			t.Fatalf("%s: %v", method.Alg(), err)
		}
		if got.Tenant != "shop" || got.User != "anna" || got.Session != "s1" || got.Type != "access" ||
			!slices.Equal(got.Roles, []string{"admin", "cashier"}) || got.KeyID != "k1" ||
			!got.Expires.Equal(now.Add(time.Minute)) || !got.IssuedAt.Equal(now.Add(-time.Minute)) {
			t.Errorf("%s: claims = %+v", method.Alg(), got)
		}
	}
}

func TestWCPOSTokens(t *testing.T) {
	t.Parallel()
	claims := func(change jwt.MapClaims) jwt.MapClaims {
		c := jwt.MapClaims{
			"iss": issuer, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "type": "access",
			"refresh_jti": "session-1", "jti": "token-1", "data": map[string]any{"user": map[string]any{"id": 42}},
		}
		maps.Copy(c, change)
		return c
	}
	cfg := tokens.Config{Preset: tokens.WCPOS, SharedSecret: secret, Tenant: "shop"}
	access := verifier(t, cfg)
	token := sign(t, jwt.SigningMethodHS256, "", secret, claims(nil))
	got, err := access.Verify(token)
	if err != nil || got.Tenant != "shop" || got.User != "42" || got.Session != "session-1" || got.Type != "access" || got.Roles != nil {
		t.Errorf("access token: %+v, %v", got, err)
	}
	text := claims(jwt.MapClaims{"data": map[string]any{"user": map[string]any{"id": "42"}}})
	if got, err := access.Verify(sign(t, jwt.SigningMethodHS256, "", secret, text)); err != nil || got.User != "42" {
		t.Errorf("user id as a string: %+v, %v", got, err)
	}
	refresh := sign(t, jwt.SigningMethodHS256, "", secret, claims(jwt.MapClaims{"type": "refresh", "jti": "session-1", "refresh_jti": ""}))
	if _, err := access.Verify(refresh); !errors.Is(err, tokens.ErrType) {
		t.Errorf("a refresh token for access: %v", err)
	}
	cfg.AcceptType = "refresh"
	if got, err := verifier(t, cfg).Verify(refresh); err != nil || got.Session != "session-1" || got.Type != "refresh" {
		t.Errorf("refresh token: %+v, %v", got, err)
	}
	if _, err := access.Verify(sign(t, jwt.SigningMethodHS256, "", []byte("another secret of more than 32 bytes"), claims(nil))); !errors.Is(err, tokens.ErrSignature) {
		t.Errorf("another shop's secret: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	k, stranger := newKey(t, "k1", jwt.SigningMethodEdDSA), newKey(t, "k2", jwt.SigningMethodEdDSA)
	v := verifier(t, tokens.Config{Preset: tokens.Posse, Audience: "pos", JWKS: jwks(t, k.jwk())})
	ok := jwt.MapClaims{"aud": []string{"other", "pos"}}
	with := func(change jwt.MapClaims) string {
		c := maps.Clone(ok)
		maps.Copy(c, change)
		return k.sign(t, good(c))
	}
	if _, err := v.Verify(with(nil)); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(with(nil), ".")
	for name, test := range map[string]struct {
		token string
		want  error
	}{
		"empty":               {"", tokens.ErrMalformed},
		"no JWT":              {"abc", tokens.ErrMalformed},
		"too long":            {with(jwt.MapClaims{"x": strings.Repeat("x", tokens.MaxToken)}), tokens.ErrMalformed},
		"cut off":             {parts[0] + "." + parts[1], tokens.ErrMalformed},
		"other payload":       {parts[0] + "." + strings.Split(with(jwt.MapClaims{"sub": "eve"}), ".")[1] + "." + parts[2], tokens.ErrSignature},
		"stranger's key":      {stranger.sign(t, good(ok)), tokens.ErrUnknownKey},
		"stranger as k1":      {sign(t, jwt.SigningMethodEdDSA, "k1", stranger.private, good(ok)), tokens.ErrSignature},
		"unsigned":            {sign(t, jwt.SigningMethodNone, "k1", jwt.UnsafeAllowNoneSignatureType, good(ok)), tokens.ErrAlgorithm},
		"public key as HMAC":  {sign(t, jwt.SigningMethodHS256, "k1", []byte(k.private.Public().(ed25519.PublicKey)), good(ok)), tokens.ErrAlgorithm},
		"other issuer":        {with(jwt.MapClaims{"iss": "https://evil.example"}), tokens.ErrIssuer},
		"no issuer":           {with(jwt.MapClaims{"iss": nil}), tokens.ErrIssuer},
		"other audience":      {with(jwt.MapClaims{"aud": "other"}), tokens.ErrIssuer},
		"no audience":         {with(jwt.MapClaims{"aud": nil}), tokens.ErrIssuer},
		"expired":             {with(jwt.MapClaims{"exp": now.Add(-time.Minute).Unix()}), tokens.ErrExpired},
		"no expiry":           {with(jwt.MapClaims{"exp": nil}), tokens.ErrClaims},
		"expiry is a word":    {with(jwt.MapClaims{"exp": "tomorrow"}), tokens.ErrClaims},
		"expiry is huge":      {with(jwt.MapClaims{"exp": 1e300}), tokens.ErrClaims},
		"for later":           {with(jwt.MapClaims{"nbf": now.Add(time.Minute).Unix()}), tokens.ErrNotYetValid},
		"refresh token":       {with(jwt.MapClaims{"type": "refresh"}), tokens.ErrType},
		"screen cookie":       {with(jwt.MapClaims{"type": "screen"}), tokens.ErrType},
		"sign-in link":        {with(jwt.MapClaims{"type": "link"}), tokens.ErrType},
		"provider's cookie":   {with(jwt.MapClaims{"type": "auth_request"}), tokens.ErrType},
		"no type":             {with(jwt.MapClaims{"type": nil}), tokens.ErrType},
		"no session":          {with(jwt.MapClaims{"sid": nil}), tokens.ErrClaims},
		"empty user":          {with(jwt.MapClaims{"sub": ""}), tokens.ErrClaims},
		"user is a fraction":  {with(jwt.MapClaims{"sub": 1.5}), tokens.ErrClaims},
		"tenant is an object": {with(jwt.MapClaims{"tenant": map[string]any{}}), tokens.ErrClaims},
		"session is too long": {with(jwt.MapClaims{"sid": strings.Repeat("s", 129)}), tokens.ErrClaims},
		"roles are a number":  {with(jwt.MapClaims{"roles": 7}), tokens.ErrClaims},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			claims, err := v.Verify(test.token)
			if !errors.Is(err, test.want) {
				t.Errorf("Verify = %v, want %v", err, test.want)
			}
			if err != nil && (test.token != "" && strings.Contains(err.Error(), test.token) || strings.Contains(err.Error(), parts[2])) {
				t.Errorf("the error contains the token: %v", err)
			}
			if claims.Session != "" || claims.User != "" {
				t.Errorf("a refused token's claims are returned: %+v", claims)
			}
		})
	}
}

// TestAlgorithmConfusion presents public keys as secrets, and keys for one
// algorithm with another.
func TestAlgorithmConfusion(t *testing.T) {
	t.Parallel()
	rsaKey, es := newKey(t, "k1", jwt.SigningMethodRS256), newKey(t, "k2", jwt.SigningMethodES256)
	unmarked := rsaKey.jwk()
	unmarked.Algorithm = ""
	v := verifier(t, tokens.Config{
		Preset: tokens.Posse, JWKS: jwks(t, unmarked, es.jwk()), Algorithms: []string{"RS256", "PS256", "ES256"},
	})
	if _, err := v.Verify(rsaKey.sign(t, good(nil))); err != nil {
		t.Fatal(err)
	}
	published := jwks(t, unmarked)
	for name, token := range map[string]string{
		"HS256 with the key set as its secret": sign(t, jwt.SigningMethodHS256, "k1", published, good(nil)),
		"ES256 key, RS256 signature":           sign(t, jwt.SigningMethodRS256, "k2", rsaKey.private, good(nil)),
		"RSA key, ES256 signature":             sign(t, jwt.SigningMethodES256, "k1", es.private, good(nil)),
		"none":                                 sign(t, jwt.SigningMethodNone, "k1", jwt.UnsafeAllowNoneSignatureType, good(nil)),
	} {
		if _, err := v.Verify(token); !errors.Is(err, tokens.ErrAlgorithm) {
			t.Errorf("%s: %v", name, err)
		}
	}
	symmetric := jose.JSONWebKey{Key: secret, KeyID: "k3"}
	if _, err := tokens.NewVerifier(tokens.Config{Preset: tokens.Posse, Issuer: issuer, JWKS: jwks(t, symmetric)}); !errors.Is(err, tokens.ErrConfig) {
		t.Errorf("a symmetric key in a published set is taken: %v", err)
	}
}

func TestTokenWithoutKeyID(t *testing.T) {
	t.Parallel()
	one, two := newKey(t, "k1", jwt.SigningMethodEdDSA), newKey(t, "k2", jwt.SigningMethodEdDSA)
	token := sign(t, jwt.SigningMethodEdDSA, "", one.private, good(nil))
	if _, err := verifier(t, tokens.Config{Preset: tokens.Posse, JWKS: jwks(t, one.jwk())}).Verify(token); err != nil {
		t.Errorf("one key: %v", err)
	}
	if _, err := verifier(t, tokens.Config{Preset: tokens.Posse, JWKS: jwks(t, one.jwk(), two.jwk())}).Verify(token); !errors.Is(err, tokens.ErrUnknownKey) {
		t.Errorf("two keys: %v", err)
	}
}

func TestClaimPaths(t *testing.T) {
	t.Parallel()
	k := newKey(t, "k1", jwt.SigningMethodEdDSA)
	v := verifier(t, tokens.Config{
		JWKS: jwks(t, k.jwk()),
		Claims: tokens.ClaimPaths{
			Tenant: "https://pos.example/tenant", User: "a.b.c", Session: "sid", Roles: "scope",
		},
	})
	got, err := v.Verify(k.sign(t, good(jwt.MapClaims{
		"https://pos.example/tenant": "shop", "a": map[string]any{"b": map[string]any{"c": 7}}, "scope": "read write", "type": nil,
	})))
	if err != nil || got.Tenant != "shop" || got.User != "7" || !slices.Equal(got.Roles, []string{"read", "write"}) || got.Type != "" {
		t.Errorf("claims = %+v, %v", got, err)
	}
}

func TestFixedTenantAndTheTokens(t *testing.T) {
	t.Parallel()
	k := newKey(t, "k1", jwt.SigningMethodEdDSA)
	v := verifier(t, tokens.Config{Preset: tokens.Posse, Tenant: "shop", JWKS: jwks(t, k.jwk())})
	if _, err := v.Verify(k.sign(t, good(nil))); err != nil {
		t.Error(err)
	}
	if _, err := v.Verify(k.sign(t, good(jwt.MapClaims{"tenant": "other"}))); !errors.Is(err, tokens.ErrClaims) {
		t.Errorf("another tenant's token: %v", err)
	}
}

func TestDuplicateClaimIsRefused(t *testing.T) {
	t.Parallel()
	private := newKey(t, "k1", jwt.SigningMethodEdDSA)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: private.private, KeyID: "k1"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte(`{"iss":"https://pos.example","sub":"anna","sub":"eve","tenant":"shop","sid":"s1","type":"access","exp":1e10}`))
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verifier(t, tokens.Config{Preset: tokens.Posse, JWKS: jwks(t, private.jwk())}).Verify(token); !errors.Is(err, tokens.ErrMalformed) {
		t.Errorf("Verify = %v", err)
	}
}

func TestLeeway(t *testing.T) {
	t.Parallel()
	k := newKey(t, "k1", jwt.SigningMethodEdDSA)
	expired := k.sign(t, good(jwt.MapClaims{"exp": now.Add(-5 * time.Second).Unix()}))
	for leeway, want := range map[time.Duration]error{0: nil, -1: tokens.ErrExpired, 5 * time.Second: tokens.ErrExpired, 6 * time.Second: nil} {
		v := verifier(t, tokens.Config{Preset: tokens.Posse, JWKS: jwks(t, k.jwk()), Leeway: leeway})
		if _, err := v.Verify(expired); !errors.Is(err, want) {
			t.Errorf("leeway %v: %v, want %v", leeway, err, want)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	k := newKey(t, "k1", jwt.SigningMethodEdDSA)
	set := jwks(t, k.jwk())
	for name, cfg := range map[string]tokens.Config{
		"nothing":               {},
		"no keys":               {Preset: tokens.Posse, Issuer: issuer},
		"two sources of keys":   {Preset: tokens.Posse, Issuer: issuer, JWKS: set, SharedSecret: secret},
		"unknown preset":        {Preset: "other", Issuer: issuer, JWKS: set},
		"no tenant":             {Preset: tokens.WCPOS, Issuer: issuer, SharedSecret: secret},
		"no claims":             {Issuer: issuer, JWKS: set, Tenant: "shop"},
		"short secret":          {Preset: tokens.Posse, Issuer: issuer, SharedSecret: []byte("short")},
		"none":                  {Preset: tokens.Posse, Issuer: issuer, JWKS: set, Algorithms: []string{"none"}},
		"HMAC with public keys": {Preset: tokens.Posse, Issuer: issuer, JWKS: set, Algorithms: []string{"HS256", "EdDSA"}},
		"EdDSA with a secret":   {Preset: tokens.Posse, Issuer: issuer, SharedSecret: secret, Algorithms: []string{"EdDSA"}},
		"no key set":            {Preset: tokens.Posse, Issuer: issuer, JWKS: []byte("{}")},
		"no URL":                {Preset: tokens.Posse, Issuer: issuer, JWKSURL: "/jwks.json"},
	} {
		_, err := tokens.NewVerifier(cfg)
		if !errors.Is(err, tokens.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), string(secret)) {
			t.Errorf("%s: the error contains the secret", name)
		}
	}
}

func FuzzVerify(f *testing.F) {
	k := newKey(f, "k1", jwt.SigningMethodEdDSA)
	v := verifier(f, tokens.Config{Preset: tokens.Posse, JWKS: jwks(f, k.jwk())})
	h := verifier(f, tokens.Config{Preset: tokens.WCPOS, Tenant: "shop", SharedSecret: secret})
	f.Add(k.sign(f, good(nil)))
	f.Add(sign(f, jwt.SigningMethodHS256, "", secret, good(nil)))
	f.Add("e30.e30.e30")
	f.Add("..")
	signed := k.sign(f, good(nil))
	known := []error{
		tokens.ErrMalformed, tokens.ErrAlgorithm, tokens.ErrUnknownKey, tokens.ErrSignature, tokens.ErrIssuer,
		tokens.ErrExpired, tokens.ErrNotYetValid, tokens.ErrType, tokens.ErrClaims,
	}
	f.Fuzz(func(t *testing.T, token string) {
		for _, v := range []*tokens.Verifier{v, h} {
			_, err := v.Verify(token)
			if err == nil {
				if token != signed && len(token) < len(signed) {
					t.Errorf("a token that nobody signed is good: %q", token)
				}
				continue
			}
			if !slices.ContainsFunc(known, func(want error) bool { return errors.Is(err, want) }) {
				t.Errorf("an error without a name: %v", err)
			}
			if len(token) > 20 && strings.Contains(err.Error(), token) {
				t.Errorf("the error contains the token: %v", err)
			}
		}
	})
}
