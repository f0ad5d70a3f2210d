package bus_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/natstest"
)

// TestAnswersAreAwaitedUnderOnesOwnKey asks as a user who may listen nowhere else.
func TestAnswersAreAwaitedUnderOnesOwnKey(t *testing.T) {
	t.Parallel()
	public, seed := newUser(t)
	config := `authorization { users: [ { nkey: %s, permissions: { publish: "$JS.API.INFO", subscribe: "%s" } } ] }`
	for name, c := range map[string]struct {
		mayHear string
		config  bus.Config
	}{
		"nkey":          {"_INBOX." + public + ".>", bus.Config{NKeyFile: write(t, string(seed))}},
		"told where to": {"elsewhere.>", bus.Config{NKeyFile: write(t, string(seed)), InboxPrefix: "elsewhere"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.config.URL = natstest.Start(t, natstest.WithConfig(fmt.Sprintf(config, public, c.mayHear))).URL()
			if _, err := connect(t, c.config).JetStream().AccountInfo(t.Context()); err != nil {
				t.Errorf("no answer under %s: %v", c.mayHear, err)
			}
		})
	}
	t.Run("credentials", func(t *testing.T) {
		t.Parallel()
		user := jwt.NewUserClaims(public)
		user.Sub.Allow.Add("_INBOX." + public + ".>")
		user.Pub.Allow.Add("$JS.API.INFO")
		server, account := withOperator(t)
		text, err := user.Encode(account)
		must(t, err)
		creds, err := jwt.FormatUserConfig(text, seed)
		must(t, err)
		conn := connect(t, bus.Config{URL: server.URL(), CredsFile: write(t, string(creds))})
		if _, err := conn.JetStream().AccountInfo(t.Context()); err != nil {
			t.Errorf("no answer under the key of the credentials: %v", err)
		}
	})
}

func TestConnectRefusesCredentialsThatAreNone(t *testing.T) {
	t.Parallel()
	_, seed := newUser(t)
	for _, token := range []string{"one.part", "a.!.c", "a.e30x.c"} {
		creds := "-----BEGIN NATS USER JWT-----\n" + token + "\n------END NATS USER JWT------\n\n" +
			"-----BEGIN USER NKEY SEED-----\n" + string(seed) + "\n------END USER NKEY SEED------\n"
		_, err := bus.Connect(t.Context(), bus.Config{URL: "nats://127.0.0.1:1", CredsFile: write(t, creds)})
		if err == nil || !strings.Contains(err.Error(), "JWT") || strings.Contains(err.Error(), string(seed)) {
			t.Errorf("Connect with the JWT %q: %v", token, err)
		}
	}
}

func newUser(t *testing.T) (public string, seed []byte) {
	t.Helper()
	key, err := nkeys.CreateUser()
	must(t, err)
	public, err = key.PublicKey()
	must(t, err)
	seed, err = key.Seed()
	must(t, err)
	return public, seed
}

// withOperator starts a server that takes JWTs, and returns the account's key.
func withOperator(t *testing.T) (*natstest.Server, nkeys.KeyPair) {
	t.Helper()
	operator, err := nkeys.CreateOperator()
	must(t, err)
	system, err := nkeys.CreateAccount()
	must(t, err)
	account, err := nkeys.CreateAccount()
	must(t, err)
	claims := jwt.NewAccountClaims(publicOf(t, account))
	claims.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1}
	trusted := jwt.NewOperatorClaims(publicOf(t, operator))
	trusted.SystemAccount = publicOf(t, system)
	sign := func(claims jwt.Claims) string {
		text, err := claims.Encode(operator)
		must(t, err)
		return text
	}
	return natstest.Start(t, natstest.WithConfig(fmt.Sprintf("operator: %s\nresolver: MEMORY\nresolver_preload: { %s: %s, %s: %s }",
		sign(trusted), claims.Subject, sign(claims), trusted.SystemAccount, sign(jwt.NewAccountClaims(trusted.SystemAccount))))), account
}

func publicOf(t *testing.T, key nkeys.KeyPair) string {
	t.Helper()
	public, err := key.PublicKey()
	must(t, err)
	return public
}

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
