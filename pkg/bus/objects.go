package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Objects is an object store: a bucket of small files that are written once. A name
// is any text.
type Objects struct {
	store  jetstream.ObjectStore
	bucket string
}

// Objects opens a bucket. The error wraps ErrKeyNotFound if there is none.
func (c *Conn) Objects(ctx context.Context, bucket string) (*Objects, error) {
	store, err := c.js.ObjectStore(ctx, bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil, fmt.Errorf("%w: there is no object store %s", ErrKeyNotFound, bucket)
	}
	if err != nil {
		return nil, fmt.Errorf("bus: object store %s: %w", bucket, err)
	}
	return &Objects{store: store, bucket: bucket}, nil
}

// MakeObjects opens a bucket, or makes it. The settings of one that exists stay as
// they are.
func (c *Conn) MakeObjects(ctx context.Context, bucket string) (*Objects, error) {
	objects, err := c.Objects(ctx, bucket)
	if !errors.Is(err, ErrKeyNotFound) {
		return objects, err
	}
	_, err = c.js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{
		Bucket: bucket, Storage: jetstream.FileStorage, Replicas: c.replicas,
	})
	if err != nil && !errors.Is(err, jetstream.ErrBucketExists) {
		return nil, fmt.Errorf("bus: object store %s: %w", bucket, err)
	}
	return c.Objects(ctx, bucket)
}

// Bucket is the name of the bucket.
func (o *Objects) Bucket() string { return o.bucket }

// Names calls each for every object, in no order. It does not hold the whole list.
func (o *Objects) Names(ctx context.Context, each func(name string)) error {
	watcher, err := o.store.Watch(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return fmt.Errorf("bus: list object store %s: %w", o.bucket, err)
	}
	defer func() { _ = watcher.Stop() }()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("bus: list object store %s: %w", o.bucket, ctx.Err())
		case info, ok := <-watcher.Updates():
			if !ok {
				return fmt.Errorf("%w: object store %s is not listed to its end", ErrTimeout, o.bucket)
			}
			if info == nil { // that was all
				return nil
			}
			each(info.Name)
		}
	}
}

// Get returns an object of at most limit bytes. Errors: ErrKeyNotFound.
func (o *Objects) Get(ctx context.Context, name string, limit int64) ([]byte, error) {
	info, err := o.store.GetInfo(ctx, name)
	if err == nil && info.Size > uint64(limit) {
		return nil, fmt.Errorf("bus: %q in object store %s has %d bytes, more than %d", name, o.bucket, info.Size, limit)
	}
	if err != nil {
		return nil, o.errorOf("get", name, err)
	}
	data, err := o.store.GetBytes(ctx, name)
	return data, o.errorOf("get", name, err)
}

// Create stores an object under a name that has none. Errors: ErrExists. Two who
// create the same name at the same moment are not kept apart.
func (o *Objects) Create(ctx context.Context, name string, data []byte) error {
	_, err := o.store.GetInfo(ctx, name)
	if err == nil {
		return fmt.Errorf("%w: %q in object store %s", ErrExists, name, o.bucket)
	}
	if !errors.Is(err, jetstream.ErrObjectNotFound) {
		return o.errorOf("create", name, err)
	}
	_, err = o.store.PutBytes(ctx, name, data)
	return o.errorOf("create", name, err)
}

func (o *Objects) errorOf(action, name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jetstream.ErrObjectNotFound):
		return fmt.Errorf("%w: %q in object store %s", ErrKeyNotFound, name, o.bucket)
	default:
		return fmt.Errorf("bus: %s %q in object store %s: %w", action, name, o.bucket, err)
	}
}
