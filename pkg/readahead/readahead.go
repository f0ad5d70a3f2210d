// Package readahead draws from a sequence while what it gave before is used.
package readahead

import (
	"context"
	"iter"
	"sync"
)

// Of returns a sequence that draws from another in a goroutine of its own, up to n pairs
// further than was asked for, at least one. The other is made with a context that ends when no more
// is wanted, and has to end soon after that; Of's does not end before it. When the
// caller's context ends before the other sequence does, the last pair has its cause as
// the error: what was drawn then is not all.
func Of[T any](ctx context.Context, n int, from func(context.Context) iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		drawn := make(chan pair[T], max(n-1, 0)) // the goroutine holds one more
		whole := true                            // until drawing ended before the other did
		var drawing sync.WaitGroup
		defer drawing.Wait()
		defer cancel()
		drawing.Go(func() {
			defer close(drawn)
			for value, err := range from(ctx) {
				select {
				case drawn <- pair[T]{value, err}:
				case <-ctx.Done():
					whole = false
					return
				}
			}
		})
		for p := range drawn {
			if !yield(p.value, p.err) {
				return
			}
		}
		if !whole {
			var none T
			yield(none, context.Cause(ctx))
		}
	}
}

type pair[T any] struct {
	value T
	err   error
}
