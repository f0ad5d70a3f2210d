package signin_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/posse-pos/posse/services/query/signin"
)

// liar is a provider that answers what a test wants it to. What a provider does
// that is none is tested against a real one.
type liar struct {
	server   *httptest.Server
	key      *ecdsa.PrivateKey
	metadata map[string]any
	claims   map[string]any // of the ID token, besides the good ones
	info     map[string]any // of the UserInfo endpoint; nil for none
	sign     func(payload []byte) string
	token    http.HandlerFunc // instead of the good answer
	secret   string           // of the client; "" for a public one
	nonce    string
}

func newLiar(t *testing.T) *liar {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	l := &liar{key: key, secret: "a-secret"}
	l.sign = func(payload []byte) string { return l.signWith(t, jose.ES256, key, payload) }
	mux := http.NewServeMux()
	l.server = httptest.NewServer(mux)
	t.Cleanup(l.server.Close)
	l.metadata = map[string]any{
		"issuer": l.server.URL, "authorization_endpoint": l.server.URL + "/auth", "token_endpoint": l.server.URL + "/token",
		"jwks_uri": l.server.URL + "/keys", "id_token_signing_alg_values_supported": []string{"ES256", "HS256", "none"},
	}
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, l.metadata) })
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		id, secret, basic := r.BasicAuth()
		switch isPublic := !basic && r.PostFormValue("client_id") == "posse"; {
		case l.token != nil:
			l.token(w, r)
		case l.secret == "" && isPublic, l.secret != "" && basic && id == "posse" && secret == l.secret:
			l.answer(t, w)
		default:
			http.Error(w, "who are you?", http.StatusUnauthorized)
		}
	})
	mux.HandleFunc("/elsewhere", func(w http.ResponseWriter, _ *http.Request) { l.answer(t, w) })
	mux.HandleFunc("/info", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, l.info) })
	return l
}

// answer gives the tokens to whoever asks.
func (l *liar) answer(t *testing.T, w http.ResponseWriter) {
	t.Helper()
	writeJSON(w, map[string]any{"access_token": "a-secret", "token_type": "Bearer", "id_token": l.idToken(t)})
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) //nolint:errchkjson // a test knows what it encodes
}

func (*liar) signWith(t *testing.T, algorithm jose.SignatureAlgorithm, key any, payload []byte) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, nil)
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

func (l *liar) idToken(t *testing.T) string {
	t.Helper()
	claims := map[string]any{
		"iss": l.server.URL, "sub": "ada", "aud": "posse", "exp": time.Now().Add(time.Minute).Unix(), "iat": time.Now().Unix(),
		"nonce": l.nonce,
	}
	maps.Copy(claims, l.claims)
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return l.sign(payload)
}

// signIn signs in at the liar.
func (l *liar) signIn(t *testing.T) (*rig, answer) {
	t.Helper()
	r := setup(t, func(c *signin.Config) {
		c.OIDC = &signin.OIDC{
			Issuer: l.server.URL, ClientID: "posse", ClientSecret: l.secret, Tenant: "shop", AdminValues: []string{"boss"},
		}
	})
	b := r.browser()
	left := b.get("/signin/oidc")
	if left.StatusCode != http.StatusSeeOther {
		return r, left
	}
	query := must(t, left.Header.Get("Location")).Query()
	l.nonce = query.Get("nonce")
	return r, b.get("/signin/oidc/callback?" + url.Values{"state": {query.Get("state")}, "code": {"c"}}.Encode())
}

func TestWhatIsBelieved(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lie  func(*liar)
		want string // who is called what
	}{
		"the ID token": {func(l *liar) {
			l.claims = map[string]any{"name": "Ada", "picture": "https://id.example/ada.png", "groups": []string{"boss"}}
		}, "ada Ada https://id.example/ada.png"},
		"what the endpoint adds": {func(l *liar) {
			l.metadata["userinfo_endpoint"] = l.server.URL + "/info"
			l.claims = map[string]any{"name": "Ada"}
			l.info = map[string]any{"sub": "ada", "name": "Eve", "preferred_username": "al"}
		}, "al Ada "},
		"several audiences": {func(l *liar) {
			l.claims = map[string]any{"aud": []string{"posse", "other"}, "azp": "posse"}
		}, "ada Ada Lovelace https://pos.example/ada.png"},
		"strange names": {func(l *liar) {
			l.claims = map[string]any{"name": "\x00" + strings.Repeat("ü", 999), "picture": "javascript:alert(1)"}
		}, "ada " + strings.Repeat("ü", 128) + " "},
		"a client without a secret": {func(l *liar) { l.secret = "" }, "ada Ada Lovelace https://pos.example/ada.png"},
		"a client that posts its secret": {func(l *liar) {
			l.metadata["token_endpoint_auth_methods_supported"] = []string{"client_secret_post"}
			l.token = func(w http.ResponseWriter, r *http.Request) {
				if r.PostFormValue("client_secret") == "a-secret" && r.Header.Get("Authorization") == "" {
					l.answer(t, w)
				}
			}
		}, "ada Ada Lovelace https://pos.example/ada.png"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLiar(t)
			test.lie(l)
			r, a := l.signIn(t)
			if a.StatusCode != http.StatusSeeOther {
				t.Fatalf("%s: %s", a.Status, a.body)
			}
			got := r.shop.lastLogin().Personal
			if called := fmt.Sprint(got.Username, " ", got.DisplayName, " ", got.AvatarURL); called != test.want {
				t.Errorf("called %q, want %q", called, test.want)
			}
		})
	}
}

func TestLies(t *testing.T) {
	t.Parallel()
	claim := func(name string, value any) func(*liar) {
		return func(l *liar) { l.claims = map[string]any{name: value} }
	}
	answering := func(status int, body string) func(*liar) {
		return func(l *liar) {
			l.token = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				fmt.Fprint(w, body)
			}
		}
	}
	failed := map[string]func(*liar){
		"another issuer":         claim("iss", "https://evil.example"),
		"another audience":       claim("aud", "other"),
		"another nonce":          claim("nonce", "guessed"),
		"no nonce":               claim("nonce", ""),
		"an old token":           claim("exp", time.Now().Add(-time.Minute).Unix()),
		"another party":          claim("azp", "other"),
		"many audiences":         claim("aud", []string{"posse", "other"}),
		"another access token":   claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"),
		"nobody":                 claim("sub", ""),
		"a user that is no id":   claim("sub", strings.Repeat("x", 129)),
		"a user that is a list":  claim("sub", []string{"ada"}),
		"an answer without it":   answering(http.StatusOK, `{"access_token": "a-secret", "token_type": "Bearer"}`),
		"a token that is none":   answering(http.StatusOK, `{"access_token": "a-secret", "token_type": "Bearer", "id_token": "eyJ.eyJ.eyJ"}`),
		"no JSON":                answering(http.StatusOK, `eyJ a-secret`),
		"a code that is refused": answering(http.StatusBadRequest, `{"error": "invalid_grant", "error_description": "eyJ a-secret"}`),
		"no signature": func(l *liar) {
			l.sign = func(payload []byte) string {
				return "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString(payload) + "."
			}
		},
		"the public key as a secret": func(l *liar) {
			public, err := l.key.PublicKey.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			l.sign = func(payload []byte) string { return l.signWith(t, jose.HS256, public, payload) }
		},
		"another key": func(l *liar) {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			l.sign = func(payload []byte) string { return l.signWith(t, jose.ES256, key, payload) }
		},
		"another person": func(l *liar) {
			l.metadata["userinfo_endpoint"] = l.server.URL + "/info"
			l.info = map[string]any{"sub": "eve", "groups": []string{"boss"}}
		},
		"somewhere else": func(l *liar) {
			l.token = func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
			}
		},
		"an answer that does not say from whom": func(l *liar) {
			l.metadata["authorization_response_iss_parameter_supported"] = true
		},
	}
	away := map[string]func(*liar){
		"a fault":               answering(http.StatusBadGateway, "eyJ a-secret"),
		"another provider":      func(l *liar) { l.metadata["issuer"] = "https://evil.example" },
		"a novel for metadata":  func(l *liar) { l.metadata["x"] = strings.Repeat("x", 1<<20) },
		"a person without form": func(l *liar) { l.metadata["userinfo_endpoint"] = l.server.URL + "/nowhere" },
	}
	try := func(name string, lie func(*liar), status int, notice signin.Notice) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLiar(t)
			lie(l)
			r, a := l.signIn(t)
			a.wantNotice(t, status, notice)
			if a.sets(signin.CookieName) != "" || len(r.shop.logins) != 0 {
				t.Error("somebody was signed in")
			}
		})
	}
	for name, lie := range failed {
		try(name, lie, http.StatusBadRequest, signin.NoticeOIDCFailed)
	}
	for name, lie := range away {
		try(name, lie, http.StatusServiceUnavailable, signin.NoticeUnavailable)
	}
}
