package activesessions

import (
	"context"
	"errors"
)

// ErrBusy says that a read model could not take the place of another one just now:
// somebody reads the other, or it is ahead. Trying again a moment later is right.
var ErrBusy = errors.New("activesessions: the read model that serves is busy")

// Replacement is a read model that is filled beside the one that serves, and then
// takes its place.
type Replacement interface {
	Writer
	// Settle makes the tables fit to be read by many, once they are full. It takes
	// time, changes no answer, and may run while batches are applied.
	Settle(ctx context.Context) error
	// Replace makes this read model the one that serves, all or nothing, and returns
	// the tenants in it. Nothing is written to the one that serves from before ready
	// is called, with the sequence of each stream that it shows, until Replace
	// returns; readers go on. Ready returns when this read model shows as much and
	// nobody writes to it any more. ErrBusy if that took too long or readers did not
	// let go: then nothing has changed.
	Replace(ctx context.Context, ready func(ctx context.Context, shown map[string]uint64) error) (tenants []string, err error)
}
