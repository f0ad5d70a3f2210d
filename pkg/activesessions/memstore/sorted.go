package memstore

import (
	"iter"
	"slices"
	"sort"
)

// blockSize is how many elements a block holds at most: few enough that moving
// half of them costs less than finding them.
const blockSize = 256

// sorted is an ordered set in blocks, so that a change moves a bounded number of
// elements. No two elements may compare as equal.
type sorted[T any] struct {
	compare func(a, b T) int
	blocks  [][]T
}

// block returns the index of the block in which x is or belongs.
func (s *sorted[T]) block(x T) int {
	return sort.Search(len(s.blocks)-1, func(i int) bool {
		b := s.blocks[i]
		return s.compare(b[len(b)-1], x) >= 0
	})
}

func (s *sorted[T]) insert(x T) {
	if len(s.blocks) == 0 {
		s.blocks = [][]T{{x}}
		return
	}
	i := s.block(x)
	at, found := slices.BinarySearchFunc(s.blocks[i], x, s.compare)
	if found {
		return
	}
	s.blocks[i] = slices.Insert(s.blocks[i], at, x)
	if len(s.blocks[i]) > blockSize {
		s.split(i, at)
	}
}

// split cuts a full block in half, or, where elements arrive in order, so that
// the full part stays full.
func (s *sorted[T]) split(i, at int) {
	full := s.blocks[i]
	cut := len(full) / 2
	if at == len(full)-1 {
		cut = at
	}
	s.blocks = slices.Insert(s.blocks, i+1, append(make([]T, 0, blockSize/2), full[cut:]...))
	clear(full[cut:])
	s.blocks[i] = full[:cut:cut]
}

func (s *sorted[T]) remove(x T) {
	if len(s.blocks) == 0 {
		return
	}
	i := s.block(x)
	at, found := slices.BinarySearchFunc(s.blocks[i], x, s.compare)
	if !found {
		return
	}
	s.blocks[i] = slices.Delete(s.blocks[i], at, at+1)
	if len(s.blocks[i]) == 0 {
		s.blocks = slices.Delete(s.blocks, i, i+1)
	}
}

// all yields the elements in order.
func (s *sorted[T]) all() iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, b := range s.blocks {
			for _, x := range b {
				if !yield(x) {
					return
				}
			}
		}
	}
}

// after yields the elements that are greater than x, in order.
func (s *sorted[T]) after(x T) iter.Seq[T] {
	return func(yield func(T) bool) {
		if len(s.blocks) == 0 {
			return
		}
		i := s.block(x)
		at, found := slices.BinarySearchFunc(s.blocks[i], x, s.compare)
		if found {
			at++
		}
		for ; i < len(s.blocks); i, at = i+1, 0 {
			for _, y := range s.blocks[i][at:] {
				if !yield(y) {
					return
				}
			}
		}
	}
}
