package proof

import "golang.org/x/mod/sumdb/tlog"

// Grown is a tree as this package grows it.
type Grown struct{ edge edge }

// Add appends a leaf and returns the hashes that are stored for it.
func (g *Grown) Add(leaf tlog.Hash) []tlog.Hash { return g.edge.add(leaf, nil) }

// Root is the hash of the tree.
func (g *Grown) Root() tlog.Hash { return g.edge.root() }

// Subtrees are the hashes of its edge.
func (g *Grown) Subtrees() []tlog.Hash { return g.edge.subtrees }

// EdgeIndexes are where they are stored.
func EdgeIndexes(size uint64) []int64 { return edgeIndexes(size) }
