package proof

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/posse-pos/posse/pkg/durable"
)

const (
	checkpointSuffix = ".checkpoint"
	maxCheckpoint    = 64 << 10 // bytes, with the signatures of witnesses
)

// Place keeps signed checkpoints, each under the size of its tree and never changed.
type Place interface {
	// String names the place for people.
	fmt.Stringer
	// Where names one checkpoint for people.
	Where(size uint64) string
	// Make makes a place that is missing.
	Make(ctx context.Context) error
	// Sizes lists what is there, ascending. Of a year of one a minute that is 4 MB.
	Sizes(ctx context.Context) ([]uint64, error)
	// Read returns a checkpoint. The error wraps fs.ErrNotExist if there is none.
	Read(ctx context.Context, size uint64) ([]byte, error)
	// Write keeps a checkpoint, whole or not at all. One that is there is never
	// overwritten: the error wraps fs.ErrExist.
	Write(ctx context.Context, size uint64, signed []byte) error
}

// Directory is a place that is a directory, with one checkpoint a file:
// 00000000000000004711.checkpoint.
type Directory string

var _ Place = Directory("")

// nameOf is how a checkpoint is called, wherever it is.
func nameOf(size uint64) string { return fmt.Sprintf("%020d%s", size, checkpointSuffix) }

// sizeIn is the size in a name, if it is that of a checkpoint.
func sizeIn(name string) (size uint64, ok bool) {
	size, err := strconv.ParseUint(strings.TrimSuffix(name, checkpointSuffix), 10, 63)
	return size, err == nil && nameOf(size) == name
}

// String implements Place.
func (d Directory) String() string { return string(d) }

// Where implements Place.
func (d Directory) Where(size uint64) string { return filepath.Join(string(d), nameOf(size)) }

// Make implements Place.
func (d Directory) Make(context.Context) error {
	if err := os.MkdirAll(string(d), 0o750); err != nil {
		return fmt.Errorf("proof: make the place of the checkpoints: %w", err)
	}
	return nil
}

// Sizes implements Place.
func (d Directory) Sizes(context.Context) ([]uint64, error) {
	dir, err := os.Open(string(d))
	if err != nil {
		return nil, fmt.Errorf("proof: list the checkpoints: %w", err)
	}
	defer dir.Close()
	var sizes []uint64
	for {
		names, err := dir.Readdirnames(1000)
		if errors.Is(err, io.EOF) {
			slices.Sort(sizes)
			return sizes, nil
		}
		if err != nil {
			return nil, fmt.Errorf("proof: list the checkpoints: %w", err)
		}
		for _, name := range names {
			if size, ok := sizeIn(name); ok {
				sizes = append(sizes, size)
			}
		}
	}
}

// Read implements Place.
func (d Directory) Read(_ context.Context, size uint64) ([]byte, error) {
	return readBounded(d.Where(size), maxCheckpoint)
}

// Write implements Place.
func (d Directory) Write(_ context.Context, size uint64, signed []byte) error {
	return writeWhole(d.Where(size), signed, os.Link)
}

// newest returns the size of the largest checkpoint in a place, 0 for none.
func newest(ctx context.Context, place Place) (uint64, error) {
	sizes, err := place.Sizes(ctx)
	if err != nil || len(sizes) == 0 {
		return 0, err
	}
	return sizes[len(sizes)-1], nil
}

func readBounded(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("proof: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, fmt.Errorf("proof: %w", err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("proof: %s is larger than %d bytes", path, limit)
	}
	return data, nil
}

// writeWhole writes a file whole or not at all. It is public: others verify with it.
func writeWhole(path string, data []byte, put func(from, to string) error) error {
	if err := durable.WriteFile(path, data, 0o644, put); err != nil {
		return fmt.Errorf("proof: write: %w", err)
	}
	return nil
}
