package proof

import (
	"crypto/sha256"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// edge is the right edge of a growing tree: the roots of its complete subtrees,
// the largest first. That is all that appending and the root need, and no more
// than 64 hashes however large the tree is.
type edge struct {
	size     uint64
	subtrees []tlog.Hash
}

// add appends a leaf and returns the hashes that it completes, in the order in
// which tlog stores them: the leaf first, then the subtrees that end with it. They
// are good until the next add.
func (e *edge) add(leaf tlog.Hash, stored []tlog.Hash) []tlog.Hash {
	stored = append(stored[:0], leaf)
	for n := e.size; n&1 == 1; n >>= 1 {
		last := len(e.subtrees) - 1
		stored = append(stored, tlog.NodeHash(e.subtrees[last], stored[len(stored)-1]))
		e.subtrees = e.subtrees[:last]
	}
	e.subtrees = append(e.subtrees, stored[len(stored)-1])
	e.size++
	return stored
}

// root is the hash of the whole tree.
func (e *edge) root() tlog.Hash {
	if e.size == 0 {
		return sha256.Sum256(nil)
	}
	root := e.subtrees[len(e.subtrees)-1]
	for _, left := range slices.Backward(e.subtrees[:len(e.subtrees)-1]) {
		root = tlog.NodeHash(left, root)
	}
	return root
}

func (e *edge) clone() edge { return edge{size: e.size, subtrees: slices.Clone(e.subtrees)} }

// edgeIndexes are the places at which tlog stores the hashes of the edge of a tree
// of that size.
func edgeIndexes(size uint64) []int64 {
	var indexes []int64
	var start uint64
	for level := bits.Len64(size) - 1; level >= 0; level-- {
		if size>>level&1 == 1 {
			indexes = append(indexes, tlog.StoredHashIndex(level, int64(start>>level)))
			start += 1 << level
		}
	}
	return indexes
}
