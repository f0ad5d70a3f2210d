package token_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/posse-pos/posse/pkg/token"
)

// TestMain also plays the second process of the tests about two processes.
func TestMain(m *testing.M) {
	if dir := os.Getenv("POSSE_TOKEN_TEST_DIR"); dir != "" {
		os.Exit(createKeys(dir, os.Getenv("POSSE_TOKEN_TEST_TENANT"), keysPerProcess))
	}
	os.Exit(m.Run())
}

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// clock is a clock that stands still until it is set.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func openKeyring(tb testing.TB, cfg token.KeyringConfig) *token.Keyring {
	tb.Helper()
	ring, err := token.OpenKeyring(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return ring
}

func newIssuer(tb testing.TB, at *clock, alg token.Algorithm) *token.Issuer {
	tb.Helper()
	return &token.Issuer{
		Keyring: openKeyring(tb, token.KeyringConfig{Dir: tb.TempDir(), Algorithm: alg, Now: at.now}),
		Issuer:  "https://posse.example",
		Now:     at.now,
	}
}

func grant() token.Grant {
	return token.Grant{
		Tenant: "shop", User: "ada", Session: "s-1", Roles: []string{"cashier"},
		Generation: 7, Expires: noon.Add(24 * time.Hour),
	}
}

func mustMint(tb testing.TB, issuer *token.Issuer, g token.Grant) token.Pair {
	tb.Helper()
	pair, err := issuer.Mint(g)
	if err != nil {
		tb.Fatal(err)
	}
	return pair
}

func fileMode(tb testing.TB, path ...string) fs.FileMode {
	tb.Helper()
	info, err := os.Stat(filepath.Join(path...))
	if err != nil {
		tb.Fatal(err)
	}
	return info.Mode().Perm()
}

func writeKeyFile(tb testing.TB, path, content string, mode fs.FileMode) {
	tb.Helper()
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		tb.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		tb.Fatal(err)
	}
}

// eventually fails the test unless condition holds within ten seconds.
func eventually(tb testing.TB, what string, condition func() bool) {
	tb.Helper()
	tick, late := time.NewTicker(20*time.Millisecond), time.After(10*time.Second)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-late:
			tb.Fatalf("did not happen within ten seconds: %s", what)
		}
	}
}

func names(tb testing.TB, dir string) string {
	tb.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		tb.Fatal(err)
	}
	var list []string
	for _, entry := range entries {
		list = append(list, entry.Name())
	}
	return strings.Join(list, " ")
}

func createKeys(dir, tenant string, n int) (exit int) {
	keys, err := token.OpenBackendKeys(dir, nil)
	for i := 0; i < n && err == nil; i++ {
		_, _, err = keys.Create(tenant, fmt.Sprintf("till %d", i), noon)
	}
	if err == nil {
		_, err = token.OpenKeyring(token.KeyringConfig{Dir: dir})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
