package token_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posse-pos/posse/pkg/token"
)

func TestKeyringIsMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	for _, alg := range []token.Algorithm{token.EdDSA, token.ES256} {
		t.Run(string(alg), func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "keys")
			first := openKeyring(t, token.KeyringConfig{Dir: dir, Algorithm: alg})
			second := openKeyring(t, token.KeyringConfig{Dir: dir})
			if got, want := second.Keys()[0], first.Keys()[0]; got != want || got.Algorithm != alg {
				t.Errorf("opened again: %+v, made: %+v with %s", got, want, alg)
			}
			if mode := fileMode(t, dir, "signing.json"); mode != 0o600 {
				t.Errorf("signing.json has mode %#o", mode)
			}
			if mode := fileMode(t, dir); mode != 0o700 {
				t.Errorf("the directory has mode %#o", mode)
			}
		})
	}
}

func TestKeyringRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	openKeyring(t, token.KeyringConfig{Dir: dir})
	whole, err := os.ReadFile(filepath.Join(dir, "signing.json"))
	if err != nil {
		t.Fatal(err)
	}
	good := string(whole)
	tests := map[string]struct {
		content string
		mode    os.FileMode
		want    error
	}{
		"readable by the group": {good, 0o640, token.ErrInsecureFile},
		"readable by everyone":  {good, 0o604, token.ErrInsecureFile},
		"cut off":               {good[:len(good)/2], 0o600, token.ErrDamagedFile},
		"empty":                 {"", 0o600, token.ErrDamagedFile},
		"no keys":               {`{"keys":[]}`, 0o600, token.ErrDamagedFile},
		"a null key":            {`{"keys":[null]}`, 0o600, token.ErrDamagedFile},
		"only a retired key":    {strings.Replace(good, `"created"`, `"retire":"2026-01-01T00:00:00Z","created"`, 1), 0o600, token.ErrDamagedFile},
		"a public key":          {publicOnly(t, good), 0o600, token.ErrDamagedFile},
		"another algorithm":     {strings.Replace(good, `"EdDSA"`, `"HS256"`, 1), 0o600, token.ErrDamagedFile},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "signing.json")
			writeKeyFile(t, path, test.content, test.mode)
			_, err := token.OpenKeyring(token.KeyringConfig{Dir: filepath.Dir(path)})
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error: %v, want %v that names the file", err, test.want)
			}
			if after, _ := os.ReadFile(path); string(after) != test.content {
				t.Error("the file was overwritten")
			}
		})
	}
}

// publicOnly removes the private part of an Ed25519 key.
func publicOnly(t *testing.T, good string) string {
	t.Helper()
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal([]byte(good), &set); err != nil {
		t.Fatal(err)
	}
	delete(set.Keys[0], "d")
	public, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return string(public)
}

func TestKeyringNeedsADirectoryAndAKnownAlgorithm(t *testing.T) {
	t.Parallel()
	if _, err := token.OpenKeyring(token.KeyringConfig{}); err == nil {
		t.Error("a keyring without a directory")
	}
	if _, err := token.OpenKeyring(token.KeyringConfig{Dir: t.TempDir(), Algorithm: "none"}); err == nil {
		t.Error("a keyring that signs with none")
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	at := &clock{noon}
	dir := t.TempDir()
	ring := openKeyring(t, token.KeyringConfig{Dir: dir, Longest: 48 * time.Hour, Now: at.now})
	issuer := &token.Issuer{Keyring: ring, Issuer: "https://posse.example", Now: at.now}
	g := grant()
	g.Expires = noon.Add(48 * time.Hour)
	before := mustMint(t, issuer, g)

	rotated, err := ring.Rotate(noon.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	keys := ring.Keys()
	if len(keys) != 2 || keys[0] != rotated || !keys[0].Retire.IsZero() {
		t.Fatalf("keys after the rotation: %+v", keys)
	}
	if n := len(ring.PublicJWKS().Keys); n != 2 {
		t.Errorf("%d public keys, want both", n)
	}
	if _, err := issuer.ParseRefresh(before.Refresh); err != nil {
		t.Errorf("the old key no longer verifies: %v", err)
	}

	at.at = keys[1].Retire.Add(-time.Millisecond)
	if at.at.Before(g.Expires) {
		t.Errorf("the old key retires at %s, before its token expires at %s", keys[1].Retire, g.Expires)
	}
	if _, err := issuer.ParseRefresh(before.Refresh); !errors.Is(err, token.ErrExpired) {
		t.Errorf("until the key retires its token is expired, not %v", err)
	}
	at.at = keys[1].Retire
	if _, err := issuer.ParseRefresh(before.Refresh); !errors.Is(err, token.ErrInvalid) {
		t.Errorf("a retired key still verifies: %v", err)
	}
	if n := len(ring.PublicJWKS().Keys); n != 1 {
		t.Errorf("%d public keys after the old one retired", n)
	}
}

func TestRotationDropsWhatHasRetired(t *testing.T) {
	t.Parallel()
	at := &clock{noon}
	dir := t.TempDir()
	ring := openKeyring(t, token.KeyringConfig{Dir: dir, Longest: time.Hour, Now: at.now})
	first := ring.Keys()[0].ID
	for range 3 {
		if _, err := ring.Rotate(at.at); err != nil {
			t.Fatal(err)
		}
		at.at = at.at.Add(40 * time.Minute)
	}
	data, err := os.ReadFile(filepath.Join(dir, "signing.json"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), first) {
		t.Error("the file still holds a key that retired")
	}
	if mode := fileMode(t, dir, "signing.json"); mode != 0o600 {
		t.Errorf("signing.json has mode %#o after a rotation", mode)
	}
}

func TestRotationElsewhereIsNoticed(t *testing.T) {
	t.Parallel()
	at := &clock{noon}
	dir := t.TempDir()
	here := openKeyring(t, token.KeyringConfig{Dir: dir, Now: at.now})
	there := openKeyring(t, token.KeyringConfig{Dir: dir, Now: at.now})
	rotated, err := there.Rotate(noon)
	if err != nil {
		t.Fatal(err)
	}
	pair := mustMint(t, &token.Issuer{Keyring: there, Issuer: "posse", Now: at.now}, grant())
	reader := &token.Issuer{Keyring: here, Issuer: "posse", Now: at.now}
	eventually(t, "a token of the new key verifies", func() bool {
		_, err := reader.ParseRefresh(pair.Refresh)
		return err == nil
	})
	eventually(t, "the new key signs", func() bool { return here.Keys()[0] == rotated })
}

func TestRunningProcessSurvivesADamagedFile(t *testing.T) {
	t.Parallel()
	at := &clock{noon}
	dir, log := t.TempDir(), &lockedBuffer{}
	ring := openKeyring(t, token.KeyringConfig{Dir: dir, Now: at.now, Logger: slog.New(slog.NewTextHandler(log, nil))})
	issuer := &token.Issuer{Keyring: ring, Issuer: "posse", Now: at.now}
	writeKeyFile(t, filepath.Join(dir, "signing.json"), "{", 0o600)
	eventually(t, "the damage is logged", func() bool {
		return len(ring.Keys()) == 1 && strings.Contains(log.String(), "signing.json")
	})
	if _, err := issuer.Keyring.Rotate(noon); !errors.Is(err, token.ErrDamagedFile) {
		t.Errorf("rotated a damaged file: %v", err)
	}
	if _, err := issuer.ParseRefresh(mustMint(t, issuer, grant()).Refresh); err != nil {
		t.Errorf("the keys that were loaded no longer work: %v", err)
	}
}

// lockedBuffer collects a log.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func TestPublicJWKSHoldsNoPrivateKey(t *testing.T) {
	t.Parallel()
	for _, alg := range []token.Algorithm{token.EdDSA, token.ES256} {
		ring := openKeyring(t, token.KeyringConfig{Dir: t.TempDir(), Algorithm: alg})
		data, err := json.Marshal(ring.PublicJWKS())
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), `"d":`) || !strings.Contains(string(data), `"kid":`) {
			t.Errorf("%s: not a public JWK set: %s", alg, data)
		}
	}
}
