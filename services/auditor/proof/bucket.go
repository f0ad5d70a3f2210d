package proof

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/posse-pos/posse/pkg/bus"
)

// bucketPatience is how long an answer of a bucket's NATS may take.
const bucketPatience = 10 * time.Second

// Bucket is a place that is an object store of NATS, with one checkpoint an object.
// It has to be another NATS than that of the log. A bucket has no way to refuse who
// overwrites: it is the auditor who looks first, and the chain of the checkpoints that
// gives away who does not.
type Bucket struct {
	conn *bus.Conn
	name string

	mu      sync.Mutex
	objects *bus.Objects // once it was found
}

var _ Place = (*Bucket)(nil)

// NewBucket is a bucket of a NATS that is connected to. It need not exist yet.
func NewBucket(conn *bus.Conn, name string) *Bucket { return &Bucket{conn: conn, name: name} }

// String implements Place.
func (b *Bucket) String() string { return "object store " + b.name }

// Where implements Place.
func (b *Bucket) Where(size uint64) string { return nameOf(size) + " in " + b.String() }

// Make implements Place.
func (b *Bucket) Make(ctx context.Context) error {
	_, err := b.open(ctx, b.conn.MakeObjects)
	return err
}

// open opens the bucket, once.
func (b *Bucket) open(ctx context.Context, how func(context.Context, string) (*bus.Objects, error)) (*bus.Objects, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.objects != nil {
		return b.objects, nil
	}
	ctx, cancel := context.WithTimeout(ctx, bucketPatience)
	defer cancel()
	objects, err := how(ctx, b.name)
	if err != nil {
		return nil, fmt.Errorf("proof: the place of the checkpoints: %w", err)
	}
	b.objects = objects
	return objects, nil
}

// Sizes implements Place.
func (b *Bucket) Sizes(ctx context.Context) (sizes []uint64, err error) {
	objects, err := b.open(ctx, b.conn.Objects)
	if err != nil {
		return nil, err
	}
	err = objects.Names(ctx, func(name string) {
		if size, ok := sizeIn(name); ok {
			sizes = append(sizes, size)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("proof: list the checkpoints: %w", err)
	}
	slices.Sort(sizes)
	return sizes, nil
}

// Read implements Place.
func (b *Bucket) Read(ctx context.Context, size uint64) ([]byte, error) {
	objects, err := b.open(ctx, b.conn.Objects)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, bucketPatience)
	defer cancel()
	signed, err := objects.Get(ctx, nameOf(size), maxCheckpoint)
	if errors.Is(err, bus.ErrKeyNotFound) {
		return nil, fmt.Errorf("proof: %w: %w", fs.ErrNotExist, err)
	}
	if err != nil {
		return nil, fmt.Errorf("proof: read a checkpoint: %w", err)
	}
	return signed, nil
}

// Write implements Place.
func (b *Bucket) Write(ctx context.Context, size uint64, signed []byte) error {
	objects, err := b.open(ctx, b.conn.MakeObjects)
	if err != nil {
		return err
	}
	err = objects.Create(ctx, nameOf(size), signed)
	if errors.Is(err, bus.ErrExists) {
		return fmt.Errorf("proof: %w: %w", fs.ErrExist, err)
	}
	if err != nil {
		return fmt.Errorf("proof: write a checkpoint: %w", err)
	}
	return nil
}
