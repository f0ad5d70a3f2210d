package proof

import (
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

// Place is a directory of checkpoints, one a file that is named by the size of its
// tree and never changed: 00000000000000004711.checkpoint.
type Place string

func (p Place) path(size uint64) string {
	return filepath.Join(string(p), fmt.Sprintf("%020d%s", size, checkpointSuffix))
}

// sizes lists what is there, ascending. Of a year of one a minute that is 4 MB.
func (p Place) sizes() ([]uint64, error) {
	dir, err := os.Open(string(p))
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
			size, err := strconv.ParseUint(strings.TrimSuffix(name, checkpointSuffix), 10, 63)
			if err == nil && filepath.Base(p.path(size)) == name {
				sizes = append(sizes, size)
			}
		}
	}
}

// newest returns the size of the largest checkpoint, 0 for none.
func (p Place) newest() (uint64, error) {
	sizes, err := p.sizes()
	if err != nil || len(sizes) == 0 {
		return 0, err
	}
	return sizes[len(sizes)-1], nil
}

func (p Place) read(size uint64) ([]byte, error) { return readBounded(p.path(size), maxCheckpoint) }

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

// write puts a checkpoint there, whole or not at all. One that is there is never
// overwritten.
func (p Place) write(size uint64, signed []byte) error {
	return writeWhole(p.path(size), signed, os.Link)
}

// writeWhole writes a file whole or not at all. It is public: others verify with it.
func writeWhole(path string, data []byte, put func(from, to string) error) error {
	if err := durable.WriteFile(path, data, 0o644, put); err != nil {
		return fmt.Errorf("proof: write: %w", err)
	}
	return nil
}
