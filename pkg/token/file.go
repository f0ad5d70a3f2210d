package token

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/gofrs/flock"

	"github.com/posse-pos/posse/pkg/durable"
)

const (
	dirMode     = 0o700
	othersMode  = 0o077 // any permission for the group or for everyone
	maxFileSize = 16 << 20
)

// readFile reads a key file and how it looked when it was read.
func readFile(path string) ([]byte, fs.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("token: read key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("token: read key file: %w", err)
	}
	if err := checkMode(path, info); err != nil {
		return nil, nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize))
	if err != nil {
		return nil, nil, fmt.Errorf("token: read key file: %w", err)
	}
	return data, info, nil
}

// checkMode refuses a file that has been readable by others: whoever read it can
// sign as us. Windows has no such modes, and Go reports 0666 for every file.
func checkMode(path string, info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&othersMode != 0 && runtime.GOOS != "windows" {
		return fmt.Errorf("%w: %s has mode %#o: run chmod 600 %s, and rotate its keys if others could have read it",
			ErrInsecureFile, path, mode, path)
	}
	return nil
}

// locked runs change while no other process or goroutine changes files in dir.
// The lock is a file of its own, since the key files are replaced.
func locked(dir string, change func() error) (err error) {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return fmt.Errorf("token: create key directory: %w", err)
	}
	lock := flock.New(filepath.Join(dir, ".lock"))
	if err := lock.Lock(); err != nil {
		return fmt.Errorf("token: lock key directory %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	return change()
}

// replaceFile puts data in the place of path, whole or not at all. Only with the
// directory locked.
func replaceFile(path string, data []byte) error {
	if err := removeLeftovers(path); err != nil {
		return err
	}
	if err := durable.WriteFile(path, data, 0o600, os.Rename); err != nil {
		return fmt.Errorf("token: write key file: %w", err)
	}
	return nil
}

// removeLeftovers deletes what writers that crashed left, as it holds secrets.
func removeLeftovers(path string) error {
	leftovers, err := filepath.Glob(durable.Leftovers(path))
	if err != nil {
		return fmt.Errorf("token: find leftovers of %s: %w", path, err)
	}
	for _, leftover := range leftovers {
		if err := os.Remove(leftover); err != nil {
			return fmt.Errorf("token: remove leftover: %w", err)
		}
	}
	return nil
}
