package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/posse-pos/posse/pkg/token"
)

// phpTests is where the tests of the PHP gateway are.
const phpTests = "../../deployments/gateways/php/tests"

// TestPHPClient runs posse.php against `posse serve`, with PHP's extension curl and
// with its streams.
func TestPHPClient(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]string{"curl": nil, "streams": {"-n"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if loaded := strings.Contains(runPHP(t, options, nil, "-m"), "\ncurl\n"); loaded != (name == "curl") {
				t.Fatalf("php %v has curl: %t", options, loaded)
			}
			p := servePHP(t)
			slow, lying := slowly(t), lyingly(t)
			secure, authority := securely(t, p.url)
			runPHP(t, options, append(p.environment(),
				"POSSE_EXPIRED="+p.expired(t), "POSSE_AWAY=http://127.0.0.1:1",
				"POSSE_SLOW="+slow, "POSSE_STALL="+slow+"/stall", "POSSE_STALE="+lying+"/stale", "POSSE_LYING="+lying,
				"POSSE_TLS="+secure, "POSSE_CA="+authority,
			), filepath.Join(phpTests, "client.php"))
		})
	}
}

// TestPHPPlugin runs the plugin for WordPress against a `posse serve` that takes the
// tokens of WCPOS, with stand-ins for WordPress and WCPOS.
func TestPHPPlugin(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]string{"curl": nil, "streams": {"-n"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := rand.Text() + rand.Text()
			p := servePHP(t, "POSSE_SHARED_SECRET="+secret, "POSSE_TOKEN_PRESET=wcpos", "POSSE_TOKEN_ISSUER=https://shop.example", "POSSE_TENANT=shop")
			p.url = counted(t, p.url)
			runPHP(t, options, append(p.environment(),
				"POSSE_CONTROL="+p.url+"/control", "POSSE_WCPOS_SECRET="+secret, "POSSE_WCPOS_REFRESH_SECRET="+rand.Text()+rand.Text(),
				"POSSE_LOG="+filepath.Join(t.TempDir(), "php.log"),
			), filepath.Join(phpTests, "plugin.php"))
		})
	}
}

// phpServe is a `posse serve` for PHP to ask.
type phpServe struct {
	url, dir        string
	key, foreignKey string
}

// servePHP starts posse with more variables in its environment.
func servePHP(t *testing.T, env ...string) *phpServe {
	t.Helper()
	dir := t.TempDir()
	p := &phpServe{dir: dir}
	for tenant, key := range map[string]*string{"shop": &p.key, "elsewhere": &p.foreignKey} {
		made, err := exec.CommandContext(t.Context(), "posse", "keys", "create", "--keys", p.keys(), "--tenant", tenant).Output()
		if err != nil {
			t.Fatal(err)
		}
		*key = strings.TrimSpace(string(made))
	}
	env = append(slices.Concat(anyPort, env), "POSSE_DATA="+dir, "POSSE_KEYS="+p.keys(), "POSSE_STALE_POLICY=fail_closed")
	posse, addresses, err := spawn(dir, "serve", "posse", []string{"serve"}, env)
	if posse != nil {
		t.Cleanup(func() { _ = posse.end(syscall.SIGKILL) })
	}
	if err != nil {
		t.Fatal(err)
	}
	p.url = addresses["api"]
	return p
}

func (p *phpServe) keys() string { return filepath.Join(p.dir, "keys") }

func (p *phpServe) environment() []string {
	return []string{"POSSE_URL=" + p.url, "POSSE_KEY=" + p.key, "POSSE_FOREIGN_KEY=" + p.foreignKey}
}

// expired mints a token that was good an hour ago, with the keys of the posse that
// runs.
func (p *phpServe) expired(t *testing.T) string {
	t.Helper()
	keyring, err := token.OpenKeyring(token.KeyringConfig{Dir: p.keys(), Logger: quietly()})
	if err != nil {
		t.Fatal(err)
	}
	past := &token.Issuer{Keyring: keyring, Issuer: "posse", Now: func() time.Time { return time.Now().Add(-time.Hour) }}
	pair, err := past.Mint(token.Grant{Tenant: "shop", User: "42", Session: "past", Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	return pair.Access
}

// runPHP runs a script and returns what it prints. What it prints of keys is a
// failure.
func runPHP(t *testing.T, options, env []string, script string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	php := exec.CommandContext(ctx, "php", append(slices.Clone(options), script)...)
	php.Env = append(cleanEnvironment(), env...)
	var output bytes.Buffer
	php.Stdout, php.Stderr = &output, &output
	if err := php.Start(); err != nil {
		t.Fatalf("%v: `make test` installs php-cli and php-curl", err)
	}
	err := php.Wait()
	for _, variable := range env {
		name, value, _ := strings.Cut(variable, "=")
		if strings.HasSuffix(name, "KEY") && strings.Contains(output.String(), value) {
			t.Errorf("PHP prints $%s", name)
		}
	}
	if err != nil {
		t.Fatalf("php %s: %v\n%s", script, err, &output)
	}
	return output.String()
}

// slowly is a server whose answers do not come, or below /stall begin and do not
// end, as long as the test runs.
func slowly(t *testing.T) string {
	t.Helper()
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/stall/") {
			fmt.Fprint(w, `{"active":`)
			_ = http.NewResponseController(w).Flush()
		}
		<-over
	}))
	t.Cleanup(func() { close(over); server.Close() })
	return server.URL
}

// lyingly is a server that answers by the first part of a path what posse never
// does, or seldom.
func lyingly(t *testing.T) string {
	t.Helper()
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		active := func(expires time.Time) string {
			return fmt.Sprintf(`{"active":true,"token_use":"access","jti":"%d","exp":%d}`, asked.Add(1), expires.Unix())
		}
		_, rest, _ := strings.Cut(r.URL.Path, "/")
		switch kind, _, _ := strings.Cut(rest, "/"); kind {
		case "stale":
			w.Header().Set("Retry-After", "1")
			http.Error(w, `{"error":"temporarily_unavailable"}`, http.StatusServiceUnavailable)
		case "list":
			fmt.Fprint(w, `[true]`)
		case "word":
			fmt.Fprint(w, `{"active":"yes"}`)
		case "huge":
			fmt.Fprint(w, `{"active":true,"x":"`+strings.Repeat("x", 1<<20)+`"}`)
		case "redirect":
			http.Redirect(w, r, "/long/v1/introspect", http.StatusTemporaryRedirect)
		case "cut":
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"active":true`)
		case "expiring":
			fmt.Fprint(w, active(time.Now()))
		case "long":
			fmt.Fprint(w, active(time.Now().Add(time.Hour)))
		default:
			fmt.Fprint(w, "OK")
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// counted puts something before a posse that counts what is asked of it, without
// ids, and plays dead when it is told to. GET /control/counts tells the counts since
// it was asked last.
func counted(t *testing.T, posse string) string {
	t.Helper()
	target, err := url.Parse(posse)
	if err != nil {
		t.Fatal(err)
	}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	var mu sync.Mutex
	counts, away := map[string]int{}, false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		parts := strings.Split(r.URL.Path, "/")
		switch {
		case r.URL.Path == "/control/counts":
			_ = json.NewEncoder(w).Encode(counts)
			clear(counts)
		case parts[1] == "control":
			away = parts[2] == "away"
		case away:
			panic(http.ErrAbortHandler)
		default:
			counts[strings.Join(append([]string{r.Method, parts[2]}, parts[min(4, len(parts)):]...), " ")]++
			forward.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// securely puts TLS before a posse, and returns its URL and the file of the
// authority that vouches for it.
func securely(t *testing.T, posse string) (secure, authority string) {
	t.Helper()
	target, err := url.Parse(posse)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }})
	server.Config.ErrorLog = nil
	server.StartTLS()
	t.Cleanup(server.Close)
	authority = filepath.Join(t.TempDir(), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(authority, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	return server.URL, authority
}
