package token_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/posse-pos/posse/pkg/token"
)

func TestASecretFileIsMadeOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	if _, err := token.SecretFile(dir, "a.key", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("looking makes a file: %v", err)
	}
	var making sync.WaitGroup
	made := make([]string, 8)
	for i := range made {
		making.Go(func() {
			secret, err := token.SecretFile(dir, "a.key", func() ([]byte, error) { return []byte{'a' + byte(i)}, nil })
			if err != nil {
				t.Error(err)
			}
			made[i] = string(secret)
		})
	}
	making.Wait()
	for _, secret := range made {
		if secret != made[0] || secret == "" {
			t.Errorf("they make %q, want one for all", made)
		}
	}
	if mode := fileMode(t, dir, "a.key"); mode != 0o600 {
		t.Errorf("it has mode %#o", mode)
	}
	if err := os.Chmod(filepath.Join(dir, "a.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := token.SecretFile(dir, "a.key", nil); !errors.Is(err, token.ErrInsecureFile) {
		t.Errorf("one that others may read is read: %v", err)
	}
}

func TestASecretThatCannotBeMade(t *testing.T) {
	t.Parallel()
	dir, want := t.TempDir(), errors.New("no entropy")
	if _, err := token.SecretFile(dir, "a.key", func() ([]byte, error) { return nil, want }); !errors.Is(err, want) {
		t.Errorf("the error is %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "a.key")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a file all the same: %v", err)
	}
}
