package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/posse-pos/posse/pkg/durable"
)

func TestWriteFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	for _, c := range []struct {
		data string
		put  func(from, to string) error
		want string
		err  error
	}{
		{"first", os.Link, "first", nil},
		{"second", os.Link, "first", fs.ErrExist},
		{"third", os.Rename, "third", nil},
		{"fourth", func(string, string) error { return fs.ErrPermission }, "third", fs.ErrPermission},
	} {
		if err := durable.WriteFile(path, []byte(c.data), 0o640, c.put); !errors.Is(err, c.err) {
			t.Errorf("writing %q: %v, want %v", c.data, err, c.err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != c.want {
			t.Errorf("after writing %q it holds %q, %v, want %q", c.data, got, err, c.want)
		}
		if left, err := filepath.Glob(durable.Leftovers(path)); err != nil || len(left) > 0 {
			t.Errorf("writing %q leaves %q, %v", c.data, left, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	if err := durable.WriteFile(filepath.Join(path, "below"), nil, 0o600, os.Rename); err == nil {
		t.Error("a file is written where there is no directory")
	}
}
