package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
	"github.com/posse-pos/posse/pkg/natstest"
)

// TestWaysToConnect connects in every way that the flags offer, as a role and as a
// gateway, to servers that want it.
func TestWaysToConnect(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]func(t *testing.T, dir string) (*natstest.Server, []string){
		"nkey": func(t *testing.T, dir string) (*natstest.Server, []string) {
			t.Helper()
			nats := startShipped(t, dir)
			return nats, []string{"--nats", nats.URL(), "--nats-nkey", seedFile(dir, "operator")}
		},
		"creds": func(t *testing.T, dir string) (*natstest.Server, []string) {
			t.Helper()
			nats, creds := startWithOperator(t, dir)
			return nats, []string{"--nats", nats.URL(), "--nats-creds", creds}
		},
		"tls": func(t *testing.T, dir string) (*natstest.Server, []string) {
			t.Helper()
			nats, files := startWithTLS(t, dir)
			return nats, []string{
				"--nats", strings.Replace(nats.URL(), "nats://", "tls://", 1),
				"--nats-ca", files.ca, "--nats-cert", files.cert, "--nats-key", files.key,
			}
		},
		"password": func(t *testing.T, _ string) (*natstest.Server, []string) {
			t.Helper()
			nats := startWithPassword(t)
			return nats, []string{"--nats", strings.Replace(nats.URL(), "nats://", "nats://ann:a%20secret@", 1)}
		},
		"context with an nkey": func(t *testing.T, dir string) (*natstest.Server, []string) {
			t.Helper()
			nats := startShipped(t, dir)
			return nats, inContext(t, dir, map[string]any{
				"url": nats.URL(), "nkey": seedFile(dir, "operator"), "description": "the shop", "nsc": "", "tls_first": false,
			})
		},
		"context with creds": func(t *testing.T, dir string) (*natstest.Server, []string) {
			t.Helper()
			nats, creds := startWithOperator(t, dir)
			return nats, inContext(t, dir, map[string]any{"url": nats.URL(), "creds": creds})
		},
		"context with TLS": func(t *testing.T, dir string) (*natstest.Server, []string) {
			t.Helper()
			nats, files := startWithTLS(t, dir)
			return nats, inContext(t, dir, map[string]any{"url": nats.URL(), "ca": files.ca, "cert": files.cert, "key": files.key})
		},
		"context with a password": func(t *testing.T, dir string) (*natstest.Server, []string) {
			t.Helper()
			nats := startWithPassword(t)
			return nats, inContext(t, dir, map[string]any{"url": nats.URL(), "user": "ann", "password": "a secret"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nats, args := way(t, t.TempDir())
			var out, errOut bytes.Buffer
			err := newApp(&out, &errOut).Run(t.Context(), append([]string{"posse", "doctor", "--streams", "--apply"}, args...))
			if err != nil || strings.Count(out.String(), "\n") != 6 {
				t.Fatalf("posse doctor --streams --apply: %v\n%s%s", err, &out, &errOut)
			}
			followAs(t, nats, args)
		})
	}
}

// followAs follows the revocations as a gateway does.
func followAs(t *testing.T, nats *natstest.Server, args []string) {
	t.Helper()
	var settings natsSettings
	command := &cli.Command{Flags: natsFlags(), Action: func(_ context.Context, cmd *cli.Command) (err error) {
		settings, err = openNATSSettings(cmd)
		return err
	}}
	if err := command.Run(t.Context(), append([]string{"gateway"}, args...)); err != nil {
		t.Fatal(err)
	}
	requests := func() uint64 {
		t.Helper()
		streams, err := nats.Server().Jsz(nil)
		if err != nil {
			t.Fatal(err)
		}
		return streams.API.Total
	}
	before := requests()
	g, err := gateway.New(t.Context(), gateway.Config{
		NATS: (&node{nats: settings}).gatewayNATS(), Verifier: gatewaytest.NewIssuer().Verifier(),
		Stale: gateway.FailClosed, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-poll.C {
		if requests() > before+1 { // it asked for the stream, and then for what it holds
			return
		}
	}
	t.Fatal("the gateway does not read the revocations")
}

func startShipped(t *testing.T, dir string) *natstest.Server {
	t.Helper()
	config, err := shippedNATS(dir, "nats.conf", "accounts.conf")
	if err != nil {
		t.Fatal(err)
	}
	return natstest.Start(t, natstest.WithConfigFile(config))
}

func startWithPassword(t *testing.T) *natstest.Server {
	t.Helper()
	return natstest.Start(t, natstest.WithConfig(`authorization { users: [ { user: ann, password: "a secret" } ] }`))
}

// startWithOperator starts a server that takes JWTs, and makes credentials.
func startWithOperator(t *testing.T, dir string) (nats *natstest.Server, creds string) {
	t.Helper()
	operator, system, account, user := newKey(t, nkeys.CreateOperator), newKey(t, nkeys.CreateAccount), newKey(t, nkeys.CreateAccount), newKey(t, nkeys.CreateUser)
	claims := jwt.NewAccountClaims(account.public)
	claims.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
	operatorClaims := jwt.NewOperatorClaims(operator.public)
	operatorClaims.SystemAccount = system.public
	nats = natstest.Start(t, natstest.WithConfig(fmt.Sprintf("operator: %s\nresolver: MEMORY\nresolver_preload: { %s: %s, %s: %s }\n",
		encode(t, operatorClaims, operator), account.public, encode(t, claims, operator),
		system.public, encode(t, jwt.NewAccountClaims(system.public), operator))))
	seed, err := user.pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.FormatUserConfig(encode(t, jwt.NewUserClaims(user.public), account), seed)
	if err != nil {
		t.Fatal(err)
	}
	return nats, write(t, dir, "user.creds", text)
}

type natsKey struct {
	pair   nkeys.KeyPair
	public string
}

func newKey(t *testing.T, create func() (nkeys.KeyPair, error)) natsKey {
	t.Helper()
	pair, err := create()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return natsKey{pair, public}
}

func encode(t *testing.T, claims jwt.Claims, by natsKey) string {
	t.Helper()
	text, err := claims.Encode(by.pair)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

type tlsFiles struct{ ca, cert, key string }

// startWithTLS starts a server that wants certificates of an authority, and shows
// one.
func startWithTLS(t *testing.T, dir string) (*natstest.Server, tlsFiles) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "posse"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	nats := natstest.Start(t, natstest.WithOptions(func(o *server.Options) {
		o.TLS, o.TLSVerify = true, true
		o.TLSConfig = &tls.Config{
			Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13,
		}
	}))
	return nats, tlsFiles{ca: write(t, dir, "ca.pem", certPEM), cert: write(t, dir, "cert.pem", certPEM), key: write(t, dir, "key.pem", keyPEM)}
}

// inContext writes a context of the nats tool and returns the flag that names it.
func inContext(t *testing.T, dir string, fields map[string]any) []string {
	t.Helper()
	text, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return []string{"--nats-context", write(t, dir, "shop.json", text)}
}

func write(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestContextsAreFoundByName in the place where the nats tool keeps them.
func TestContextsAreFoundByName(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "nats", "context"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "nats", "context"), "shop.json", []byte(
		`{"url":"nats://a:4222, nats://b:4222","token":"t/k","creds":"","ca":"~/ca.pem","cert":"$POSSE_TEST_DIR/c.pem","key":"k.pem","inbox_prefix":"_IN"}`))
	t.Setenv("XDG_CONFIG_HOME", dir)
	t.Setenv("HOME", "/home/ann")
	t.Setenv("POSSE_TEST_DIR", "/certificates")

	got, err := readNATSContext("shop")
	want := natsSettings{
		url: "nats://t%2Fk@a:4222,nats://t%2Fk@b:4222", ca: "/home/ann/ca.pem", cert: "/certificates/c.pem", key: "k.pem", inbox: "_IN",
	}
	if err != nil || got != want {
		t.Errorf("the context is %+v, %v; want %+v", got, err, want)
	}
	if _, err := readNATSContext("other"); err == nil || !strings.Contains(err.Error(), `"other"`) {
		t.Errorf("a context that is not there: %v", err)
	}
}

func TestSettingsThatContradictEachOther(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"two users":              {[]string{"--nats-creds", "a", "--nats-nkey", "b"}, "--nats-creds and --nats-nkey"},
		"a user in the address":  {[]string{"--nats", "nats://a,nats://ann:p@b", "--nats-nkey", "b"}, "--nats holds a user"},
		"half a certificate":     {[]string{"--nats-cert", "a"}, "--nats-cert and --nats-key go together"},
		"context and address":    {[]string{"--nats-context", "shop", "--nats", "nats://a"}, "--nats-context says everything"},
		"context and key":        {[]string{"--nats-context", "shop", "--nats-nkey", "a"}, "--nats-context says everything"},
		"a path as name":         {[]string{"--nats-context", "../shop"}, `"../shop" is neither`},
		"a context that is gone": {[]string{"--nats-context", filepath.Join(dir, "gone.json")}, "there is no context"},
		"no JSON":                {[]string{"--nats-context", write(t, dir, "text.json", []byte("text"))}, "text.json: it is not a context"},
		"a proxy":                {inContext(t, t.TempDir(), map[string]any{"socks_proxy": "socks5://a"}), `does not follow its setting "socks_proxy"`},
		"nsc":                    {inContext(t, t.TempDir(), map[string]any{"nsc": "nsc://a/b/c"}), `does not follow its setting "nsc"`},
		"a vault":                {inContext(t, t.TempDir(), map[string]any{"creds": "op://vault/item"}), "no secrets from a op: address"},
		"user and token":         {inContext(t, t.TempDir(), map[string]any{"user": "a", "token": "b"}), "who is it to be?"},
		"creds and nkey":         {inContext(t, t.TempDir(), map[string]any{"creds": "a", "nkey": "b"}), "who is it to be?"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, errOut bytes.Buffer
			err := newApp(&out, &errOut).Run(t.Context(), append([]string{"posse", "doctor", "--streams", "--apply"}, c.args...))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("posse doctor %s: %v; want an error with %q", strings.Join(c.args, " "), err, c.want)
			}
		})
	}
}
