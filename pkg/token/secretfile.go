package token

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// SecretFile returns what a file in the directory of the keys holds, and has
// create make it when there is none. It is for keys that sign something else than
// tokens and lie beside the keyring under the same rules: mode 0600, made whole
// or not at all, by one process. A nil create makes nothing: the error then wraps
// fs.ErrNotExist. It is ErrInsecureFile when others may read the file.
func SecretFile(dir, name string, create func() ([]byte, error)) ([]byte, error) {
	path := filepath.Join(dir, name)
	data, _, err := readFile(path)
	if create == nil || !errors.Is(err, fs.ErrNotExist) {
		return data, err
	}
	err = locked(dir, func() error {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return err // another process was faster
		}
		made, err := create()
		if err != nil {
			return err
		}
		return replaceFile(path, made)
	})
	if err != nil {
		return nil, err
	}
	data, _, err = readFile(path)
	return data, err
}
