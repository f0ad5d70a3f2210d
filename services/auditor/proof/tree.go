package proof

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/bits"
	"os"
	"path/filepath"
	"sort"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	hashesFile = "hashes"
	headFile   = "head"
)

// Tree is the file of a tree's hashes in the directory of an auditor, 32 bytes
// each, in the order of tlog.StoredHashIndex. It is only appended to. It is a
// notebook, not evidence: what it says counts where a signed checkpoint confirms it.
type Tree struct {
	file   *os.File
	writer *bufio.Writer
	edge   edge
	last   tlog.Hash // of the last leaf
	stored []tlog.Hash
}

// openTree opens the tree of a directory for appending behind its first size
// leaves; what lies past them is dropped.
func openTree(dir string, size uint64) (*Tree, error) {
	file, err := os.OpenFile(filepath.Join(dir, hashesFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("proof: open the tree: %w", err)
	}
	t := &Tree{file: file, writer: bufio.NewWriterSize(file, 1<<20)}
	if err := t.restore(size); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return t, nil
}

func (t *Tree) restore(size uint64) error {
	leaves, err := t.Leaves()
	if err != nil {
		return err
	}
	if leaves < size {
		return fmt.Errorf("proof: %s holds %d leaves, but a checkpoint of %d was signed: remove the directory, "+
			"and the tree is built again and compared", t.file.Name(), leaves, size)
	}
	end := tlog.StoredHashCount(int64(size)) * tlog.HashSize
	if err := t.file.Truncate(end); err != nil {
		return fmt.Errorf("proof: cut the tree to what was signed: %w", err)
	}
	if _, err := t.file.Seek(end, io.SeekStart); err != nil {
		return fmt.Errorf("proof: open the tree: %w", err)
	}
	if size == 0 {
		return nil
	}
	if t.edge.subtrees, err = t.ReadHashes(edgeIndexes(size)); err != nil {
		return err
	}
	t.edge.size = size
	last, err := t.ReadHashes([]int64{tlog.StoredHashIndex(0, int64(size-1))})
	if err != nil {
		return err
	}
	t.last = last[0]
	return nil
}

// readTree opens the tree of a directory for reading.
func readTree(dir string) (*Tree, error) {
	file, err := os.Open(filepath.Join(dir, hashesFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("proof: %s is not the directory of an auditor: %w", dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("proof: open the tree: %w", err)
	}
	return &Tree{file: file}, nil
}

// Leaves is how many whole leaves the file holds.
func (t *Tree) Leaves() (uint64, error) {
	info, err := t.file.Stat()
	if err != nil {
		return 0, fmt.Errorf("proof: look at the tree: %w", err)
	}
	hashes := info.Size() / tlog.HashSize
	past := sort.Search(int(hashes)+1, func(n int) bool { return tlog.StoredHashCount(int64(n)) > hashes })
	return uint64(past - 1), nil
}

// ReadHashes returns the hashes at the indexes, as tlog.HashReader wants it.
func (t *Tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if _, err := t.file.ReadAt(hashes[i][:], index*tlog.HashSize); err != nil {
			return nil, fmt.Errorf("proof: read hash %d of the tree: %w", index, err)
		}
	}
	return hashes, nil
}

func (t *Tree) add(leaf tlog.Hash) error {
	t.stored = t.edge.add(leaf, t.stored)
	t.last = leaf
	for _, hash := range t.stored {
		if _, err := t.writer.Write(hash[:]); err != nil {
			return fmt.Errorf("%w: %w", errTree, err)
		}
	}
	return nil
}

func (t *Tree) sync() error {
	if err := errors.Join(t.writer.Flush(), t.file.Sync()); err != nil {
		return fmt.Errorf("%w: %w", errTree, err)
	}
	return nil
}

// Close closes the file.
func (t *Tree) Close() error { return t.file.Close() }

// leaves reads the leaves of a tree's file in order.
type leaves struct {
	reader *bufio.Reader
	next   uint64 // index of the leaf that read returns
	count  uint64
}

func (t *Tree) leaves() (*leaves, error) {
	count, err := t.Leaves()
	return &leaves{reader: bufio.NewReaderSize(t.file, 1<<20), count: count}, err
}

// read returns the next leaf, and false behind the last.
func (l *leaves) read() (leaf tlog.Hash, ok bool, err error) {
	if l.next >= l.count {
		return tlog.Hash{}, false, nil
	}
	if _, err := io.ReadFull(l.reader, leaf[:]); err != nil {
		return tlog.Hash{}, false, fmt.Errorf("proof: read leaf %d of the tree: %w", l.next, err)
	}
	l.next++
	// Behind a leaf stand the subtrees that it completes.
	if _, err := l.reader.Discard(bits.TrailingZeros64(l.next) * tlog.HashSize); err != nil {
		return tlog.Hash{}, false, fmt.Errorf("proof: read behind leaf %d of the tree: %w", l.next-1, err)
	}
	return leaf, true, nil
}
