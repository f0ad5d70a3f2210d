package token_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/posse-pos/posse/pkg/token"
)

const keysPerProcess = 15

func openBackendKeys(tb testing.TB, dir string) *token.BackendKeys {
	tb.Helper()
	keys, err := token.OpenBackendKeys(dir, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return keys
}

func createKey(tb testing.TB, keys *token.BackendKeys, tenant string) (string, token.BackendKey) {
	tb.Helper()
	plaintext, key, err := keys.Create(tenant, "till backend", noon)
	if err != nil {
		tb.Fatal(err)
	}
	return plaintext, key
}

func TestBackendKeyLifeCycle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keys := openBackendKeys(t, dir)
	plaintext, created := createKey(t, keys, "shop")
	if !strings.HasPrefix(plaintext, token.BackendKeyPrefix+created.ID+"_") {
		t.Error("the plaintext is not of the form posse_bk_<id>_<secret>")
	}
	want := token.BackendKey{ID: created.ID, Tenant: "shop", Label: "till backend", Created: noon}
	if got, err := keys.Lookup(plaintext); err != nil || got != want || created != want {
		t.Errorf("Lookup = %+v, %v; want %+v", got, err, want)
	}
	if got, err := openBackendKeys(t, dir).Lookup(plaintext); err != nil || got != want {
		t.Errorf("opened again: Lookup = %+v, %v", got, err)
	}
	if list := keys.List(); len(list) != 1 || list[0] != want {
		t.Errorf("List = %+v", list)
	}
	if err := keys.Revoke(created.ID); err != nil {
		t.Error(err)
	}
	if _, err := keys.Lookup(plaintext); !errors.Is(err, token.ErrInvalidBackendKey) {
		t.Errorf("after Revoke: %v", err)
	}
	if err := keys.Revoke(created.ID); !errors.Is(err, token.ErrInvalidBackendKey) {
		t.Errorf("revoked twice: %v", err)
	}
}

func TestBackendKeyAtRest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plaintext, _ := createKey(t, openBackendKeys(t, dir), "shop")
	data, err := os.ReadFile(filepath.Join(dir, "backends.json"))
	if err != nil {
		t.Fatal(err)
	}
	secret := plaintext[strings.LastIndex(plaintext, "_")+1:]
	if strings.Contains(string(data), secret) {
		t.Error("the secret is in the file")
	}
	if mode := fileMode(t, dir, "backends.json"); mode != 0o600 {
		t.Errorf("backends.json has mode %#o", mode)
	}
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	keys := openBackendKeys(t, t.TempDir())
	tests := map[string]struct{ tenant, label string }{
		"no tenant":         {"", "till"},
		"a long tenant":     {strings.Repeat("t", 129), "till"},
		"a long label":      {"shop", strings.Repeat("l", 129)},
		"a label that acts": {"shop", "till\x1b[2J"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, _, err := keys.Create(test.tenant, test.label, noon); err == nil {
				t.Error("created")
			}
		})
	}
}

func TestLookupRefuses(t *testing.T) {
	t.Parallel()
	keys := openBackendKeys(t, t.TempDir())
	plaintext, key := createKey(t, keys, "shop")
	tests := map[string]string{
		"empty":           "",
		"only the prefix": token.BackendKeyPrefix,
		"no secret":       token.BackendKeyPrefix + key.ID,
		"an empty secret": token.BackendKeyPrefix + key.ID + "_",
		"another secret":  token.BackendKeyPrefix + key.ID + "_" + strings.Repeat("0", 64),
		"another id":      token.BackendKeyPrefix + strings.Repeat("0", 16) + plaintext[len(token.BackendKeyPrefix)+16:],
		"upper case":      token.BackendKeyPrefix + strings.ToUpper(plaintext[len(token.BackendKeyPrefix):]) + "A",
		"a space behind":  plaintext + " ",
		"cut off":         plaintext[:len(plaintext)-1],
	}
	for name, wrong := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := keys.Lookup(wrong)
			if !errors.Is(err, token.ErrInvalidBackendKey) {
				t.Errorf("error: %v", err)
			}
			if _, secret, ok := strings.Cut(strings.TrimPrefix(wrong, token.BackendKeyPrefix), "_"); ok && secret != "" && strings.Contains(err.Error(), secret) {
				t.Errorf("the error quotes the secret: %v", err)
			}
		})
	}
}

func TestBackendKeysRefuseTheirFile(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		content string
		mode    os.FileMode
		want    error
	}{
		"readable by the group": {`{"keys":[]}`, 0o640, token.ErrInsecureFile},
		"cut off":               {`{"keys":[`, 0o600, token.ErrDamagedFile},
		"empty":                 {``, 0o600, token.ErrDamagedFile},
		"incomplete":            {`{"keys":[{"id":"0011223344556677","tenant":"shop"}]}`, 0o600, token.ErrDamagedFile},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "backends.json")
			writeKeyFile(t, path, test.content, test.mode)
			if _, err := token.OpenBackendKeys(filepath.Dir(path), nil); !errors.Is(err, test.want) {
				t.Errorf("error: %v, want %v", err, test.want)
			}
		})
	}
}

func TestRunningProcessSeesNewAndRevokedKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	running, command := openBackendKeys(t, dir), openBackendKeys(t, dir)
	plaintext, key := createKey(t, command, "shop")
	eventually(t, "a new key is known", func() bool {
		_, err := running.Lookup(plaintext)
		return err == nil
	})
	if err := command.Revoke(key.ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a revoked key is refused", func() bool {
		_, err := running.Lookup(plaintext)
		return errors.Is(err, token.ErrInvalidBackendKey)
	})
}

func TestCrashWhileWriting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keys := openBackendKeys(t, dir)
	plaintext, _ := createKey(t, keys, "shop")
	writeKeyFile(t, filepath.Join(dir, ".backends.json.tmp-123"), `{"keys":[{"id`, 0o600)
	writeKeyFile(t, filepath.Join(dir, ".signing.json.tmp-123"), `{"keys":[`, 0o600)

	if _, err := openBackendKeys(t, dir).Lookup(plaintext); err != nil {
		t.Errorf("the file a crash left behind was read: %v", err)
	}
	createKey(t, keys, "shop")
	openKeyring(t, token.KeyringConfig{Dir: dir})
	if got, want := names(t, dir), ".lock backends.json signing.json"; got != want {
		t.Errorf("the directory holds %s, want %s", got, want)
	}
}

func TestTwoProcessesCreate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var processes sync.WaitGroup
	for _, tenant := range []string{"north", "south"} {
		processes.Go(func() {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
			cmd.Env = append(os.Environ(), "POSSE_TOKEN_TEST_DIR="+dir, "POSSE_TOKEN_TEST_TENANT="+tenant)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("process for %s: %v\n%s", tenant, err, out)
			}
		})
	}
	processes.Wait()
	made := map[string]int{}
	for _, key := range openBackendKeys(t, dir).List() {
		made[key.Tenant]++
	}
	if made["north"] != keysPerProcess || made["south"] != keysPerProcess {
		t.Errorf("keys made: %v, want %d each: a process undid the other's work", made, keysPerProcess)
	}
	if n := len(openKeyring(t, token.KeyringConfig{Dir: dir}).Keys()); n != 1 {
		t.Errorf("%d signing keys, want the one that the faster process made", n)
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	keys := openBackendKeys(t, t.TempDir())
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for range 5 {
				plaintext, _, err := keys.Create("shop", "", noon)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := keys.Lookup(plaintext); err != nil {
					t.Error(err)
				}
			}
		})
	}
	workers.Wait()
	if n := len(keys.List()); n != 20 {
		t.Errorf("%d keys, want 20", n)
	}
}

func FuzzLookup(f *testing.F) {
	keys := openBackendKeys(f, f.TempDir())
	plaintext, _ := createKey(f, keys, "shop")
	f.Add(plaintext)
	f.Add(token.BackendKeyPrefix)
	f.Add("posse_bk_0011223344556677_")
	f.Fuzz(func(t *testing.T, wrong string) {
		got, err := keys.Lookup(wrong)
		switch {
		case err == nil && wrong != plaintext:
			t.Errorf("%+v was found by another text", got)
		case err != nil && !errors.Is(err, token.ErrInvalidBackendKey):
			t.Errorf("an error of no kind: %v", err)
		}
	})
}
