package recorder

import (
	"context"
	"hash/maphash"
)

// locks lets the commands of one user pass one after the other, so that this
// process does not conflict with itself. Users share locks by chance; that
// costs a wait and nothing else.
type locks struct {
	seed    maphash.Seed
	stripes [1024]chan struct{}
}

func newLocks() *locks {
	l := &locks{seed: maphash.MakeSeed()}
	for i := range l.stripes {
		l.stripes[i] = make(chan struct{}, 1)
	}
	return l
}

func (l *locks) lock(ctx context.Context, who ref) (unlock func(), err error) {
	stripe := l.stripes[maphash.Comparable(l.seed, who)%uint64(len(l.stripes))]
	select {
	case stripe <- struct{}{}:
		return func() { <-stripe }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
