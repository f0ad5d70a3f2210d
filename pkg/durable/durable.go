// Package durable writes files that are there as a whole or not at all, also after a
// power cut.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// WriteFile writes data beside path with a mode, syncs it, puts it in place and syncs
// the directory. Put is os.Rename, which replaces what is there, or os.Link, which
// refuses to. What a process that was killed leaves behind matches Leftovers(path).
func WriteFile(path string, data []byte, mode fs.FileMode, put func(from, to string) error) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(Leftovers(path))) // with mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if removed := os.Remove(file.Name()); !errors.Is(removed, fs.ErrNotExist) {
			err = errors.Join(err, removed)
		}
	}()
	_, err = file.Write(data)
	if err == nil {
		err = errors.Join(file.Chmod(mode), file.Sync())
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := put(file.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// Leftovers is the pattern of the files that WriteFile makes beside path.
func Leftovers(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp-*")
}

// syncDir makes what was put into a directory last.
func syncDir(path string) error {
	if runtime.GOOS == "windows" { // cannot sync a directory, and need not
		return nil
	}
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
