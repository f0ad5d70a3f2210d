package token_test

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/posse-pos/posse/pkg/gateway/tokens"
	"github.com/posse-pos/posse/pkg/token"
)

func screen() token.Screen {
	return token.Screen{Tenant: "shop", User: "ada", Session: "s-1", Roles: []string{"admin"}, Expires: noon.Add(12 * time.Hour)}
}

func link() token.Link {
	return token.Link{Tenant: "shop", User: "ada", Roles: []string{"admin"}, Username: "ada", DisplayName: "Ada Lovelace"}
}

func authRequest() token.AuthRequest {
	return token.AuthRequest{State: "state", Nonce: "nonce", Verifier: "verifier", Next: "/?user=ada"}
}

// must is for sealing in tests, where it does not fail.
func must(tb testing.TB) func(sealed string, err error) string {
	tb.Helper()
	return func(sealed string, err error) string {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return sealed
	}
}

// oneOfEach returns a token of each kind.
func oneOfEach(tb testing.TB, issuer *token.Issuer) map[string]string {
	tb.Helper()
	pair := mustMint(tb, issuer, grant())
	return map[string]string{
		"access": pair.Access, "refresh": pair.Refresh,
		"screen":       must(tb)(issuer.SealScreen(screen())),
		"link":         must(tb)(issuer.MintLink(link())),
		"auth_request": must(tb)(issuer.SealAuthRequest(authRequest())),
	}
}

// openers open tokens of the kinds that come back to posse.
func openers(issuer *token.Issuer) map[string]func(string) error {
	return map[string]func(string) error{
		"refresh":      func(s string) error { _, err := issuer.ParseRefresh(s); return err },
		"screen":       func(s string) error { _, err := issuer.OpenScreen(s); return err },
		"link":         func(s string) error { _, err := issuer.OpenLink(s); return err },
		"auth_request": func(s string) error { _, err := issuer.OpenAuthRequest(s); return err },
	}
}

func TestNoKindPassesForAnother(t *testing.T) {
	t.Parallel()
	for _, alg := range []token.Algorithm{token.EdDSA, token.ES256} {
		issuer := newIssuer(t, &clock{noon}, alg)
		for is, compact := range oneOfEach(t, issuer) {
			for want, open := range openers(issuer) {
				err := open(compact)
				if is == want && err != nil {
					t.Errorf("%s: a token of kind %s: %v", alg, is, err)
				}
				if is != want && (!errors.Is(err, token.ErrInvalid) || errors.Is(err, token.ErrExpired)) {
					t.Errorf("%s: a token of kind %s opened as %s: %v, want ErrInvalid", alg, is, want, err)
				}
			}
		}
	}
}

// TestGatewaysTakeAccessTokensOnly has the verifier of gateways and of the API
// look at what is signed with the keys that it trusts.
func TestGatewaysTakeAccessTokensOnly(t *testing.T) {
	t.Parallel()
	issuer := newIssuer(t, &clock{noon}, "")
	keys, err := json.Marshal(issuer.Keyring.PublicJWKS())
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := tokens.NewVerifier(tokens.Config{
		Preset: tokens.Posse, Issuer: issuer.Issuer, JWKS: keys, Now: (&clock{noon}).now,
	})
	if err != nil {
		t.Fatal(err)
	}
	for is, compact := range oneOfEach(t, issuer) {
		if _, err := verifier.Verify(compact); (is == "access") != (err == nil) {
			t.Errorf("a token of kind %s: %v", is, err)
		}
	}
}

// TestHeaderAndClaimHaveToAgree signs with the real key what is one kind by its
// header and another one by its claim.
func TestHeaderAndClaimHaveToAgree(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ring := openKeyring(t, token.KeyringConfig{Dir: dir, Now: (&clock{noon}).now})
	issuer := &token.Issuer{Keyring: ring, Issuer: "https://posse.example", Now: (&clock{noon}).now}
	all := map[string]any{
		"iss": "https://posse.example", "sub": "ada", "tenant": "shop", "sid": "s-1", "gen": 0, "jti": "j", "iat": noon.Unix(),
		"exp": noon.Add(time.Minute).Unix(), "state": "s", "nonce": "n", "code_verifier": "v",
	}
	headers := map[string]string{
		"access": "at+jwt", "refresh": "JWT", "screen": "posse-screen+jwt", "link": "posse-link+jwt", "auth_request": "posse-auth-request+jwt",
	}
	for claim := range headers {
		for header, typ := range headers {
			c := maps.Clone(all)
			c["type"] = claim
			compact := signWith(t, dir, typ, c)
			for want, open := range openers(issuer) {
				err := open(compact)
				if good := claim == want && header == want; good != (err == nil) {
					t.Errorf("header %s, claim %s, opened as %s: %v", header, claim, want, err)
				}
			}
		}
	}
}

// signWith signs with the key in a directory.
func signWith(t *testing.T, dir, typ string, claims map[string]any) string {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(dir, "signing.json"))
	if err != nil {
		t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(file, &set); err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: set.Keys[0]},
		(&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	return must(t)(signed.CompactSerialize())
}

func TestWhatWasSealedIsOpened(t *testing.T) {
	t.Parallel()
	issuer := newIssuer(t, &clock{noon.Add(300 * time.Millisecond)}, "")
	sealed := oneOfEach(t, issuer)
	gotScreen, err := issuer.OpenScreen(sealed["screen"])
	if diff := cmp.Diff(screen(), gotScreen); diff != "" || err != nil {
		t.Errorf("screen: %v\n%s", err, diff)
	}
	gotLink, err := issuer.OpenLink(sealed["link"])
	want := link()
	want.ID, want.Expires = gotLink.ID, noon.Add(token.LinkLifetime)
	if diff := cmp.Diff(want, gotLink); diff != "" || err != nil || len(want.ID) < 22 {
		t.Errorf("link: %v\n%s", err, diff)
	}
	again, err := issuer.OpenLink(must(t)(issuer.MintLink(link())))
	if err != nil || again.ID == gotLink.ID {
		t.Errorf("two links have the id %q, %v", again.ID, err)
	}
	gotRequest, err := issuer.OpenAuthRequest(sealed["auth_request"])
	if diff := cmp.Diff(authRequest(), gotRequest); diff != "" || err != nil {
		t.Errorf("authorization request: %v\n%s", err, diff)
	}
}

func TestSealedThingsExpire(t *testing.T) {
	t.Parallel()
	at := &clock{noon}
	issuer := newIssuer(t, at, "")
	sealed, open := oneOfEach(t, issuer), openers(issuer)
	for is, life := range map[string]time.Duration{
		"screen": 12 * time.Hour, "link": token.LinkLifetime, "auth_request": token.AuthRequestLifetime,
	} {
		at.at = noon.Add(life - time.Second)
		if err := open[is](sealed[is]); err != nil {
			t.Errorf("%s, a second before its expiry: %v", is, err)
		}
		at.at = noon.Add(life)
		if err := open[is](sealed[is]); !errors.Is(err, token.ErrExpired) {
			t.Errorf("%s, at its expiry: %v", is, err)
		}
	}
}

func TestSealRefuses(t *testing.T) {
	t.Parallel()
	issuer := newIssuer(t, &clock{noon}, "")
	screens := map[string]func(*token.Screen){
		"no user": func(s *token.Screen) { s.User = "" }, "no session": func(s *token.Screen) { s.Session = "" },
		"an ended session": func(s *token.Screen) { s.Expires = noon },
	}
	for name, change := range screens {
		s := screen()
		change(&s)
		if _, err := issuer.SealScreen(s); !errors.Is(err, token.ErrInvalidGrant) {
			t.Errorf("a screen with %s: %v", name, err)
		}
	}
	links := map[string]func(*token.Link){
		"no tenant": func(l *token.Link) { l.Tenant = "" }, "no user": func(l *token.Link) { l.User = "" },
		"a long name":          func(l *token.Link) { l.DisplayName = strings.Repeat("x", 257) },
		"bytes for a username": func(l *token.Link) { l.Username = "\xff" },
	}
	for name, change := range links {
		l := link()
		change(&l)
		if _, err := issuer.MintLink(l); !errors.Is(err, token.ErrInvalidGrant) {
			t.Errorf("a link with %s: %v", name, err)
		}
	}
}

// TestKeysOfBefore opens what was sealed before a rotation, and what another
// process sealed.
func TestKeysOfBefore(t *testing.T) {
	t.Parallel()
	dir, at := t.TempDir(), &clock{noon}
	config := token.KeyringConfig{Dir: dir, Now: at.now}
	here := &token.Issuer{Keyring: openKeyring(t, config), Issuer: "posse", Now: at.now}
	there := &token.Issuer{Keyring: openKeyring(t, config), Issuer: "posse", Now: at.now}
	old := must(t)(here.SealScreen(screen()))
	if _, err := there.Keyring.Rotate(noon); err != nil {
		t.Fatal(err)
	}
	fresh := must(t)(there.SealScreen(screen()))
	for name, compact := range map[string]string{"before": old, "elsewhere": fresh} {
		eventually(t, "opened what was sealed "+name, func() bool { _, err := here.OpenScreen(compact); return err == nil })
	}
}

func FuzzOpen(f *testing.F) {
	issuer := newIssuer(f, &clock{noon}, "")
	sealed := oneOfEach(f, issuer)
	for _, compact := range sealed {
		f.Add(compact)
	}
	f.Fuzz(func(t *testing.T, compact string) {
		for is, open := range openers(issuer) {
			err := open(compact)
			if err != nil && !errors.Is(err, token.ErrInvalid) && !errors.Is(err, token.ErrExpired) {
				t.Errorf("opened as %s: an error of no kind: %v", is, err)
			}
			// A signature may be written in several ways; what it signs may not.
			if err == nil && signedPart(compact) != signedPart(sealed[is]) {
				t.Errorf("somebody signed a token of kind %s", is)
			}
		}
	})
}

// signedPart is a token without its signature.
func signedPart(compact string) string { return compact[:strings.LastIndexByte(compact, '.')] }
