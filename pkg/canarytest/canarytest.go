// Package canarytest looks for words that must not be there in whatever was written.
package canarytest

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// Files reads all regular files below a directory, by path.
func Files(dir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		files[path], err = os.ReadFile(path)
		return err
	})
	return files, err
}

// OnDisk reports whether a file below a directory holds a text.
func OnDisk(t testing.TB, dir, text string) bool {
	t.Helper()
	files, err := Files(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, content := range files {
		if bytes.Contains(content, []byte(text)) {
			return true
		}
	}
	return false
}
