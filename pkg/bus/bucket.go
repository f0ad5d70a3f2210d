package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

var (
	// ErrExists says that Create found a value.
	ErrExists = errors.New("bus: key exists")
	// ErrKeyNotFound says that there is no value, or none any more.
	ErrKeyNotFound = errors.New("bus: key not found")
)

// Bucket holds values that vanish by themselves. A key is one or more of
// [A-Za-z0-9_=/.-]. On a bucket with replicas a Get may, for a moment, not see
// what another process has just written.
type Bucket struct {
	kv jetstream.KeyValue
}

// KeyValue opens a bucket, or creates it with values that live as long as ttl.
// The lifetime of a bucket that exists stays as it is.
func (c *Conn) KeyValue(ctx context.Context, bucket string, ttl time.Duration) (*Bucket, error) {
	kv, err := c.js.KeyValue(ctx, bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = c.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: bucket, TTL: ttl, History: 1, Replicas: c.replicas, Storage: jetstream.FileStorage,
		})
	}
	if errors.Is(err, jetstream.ErrBucketExists) {
		kv, err = c.js.KeyValue(ctx, bucket)
	}
	if err != nil {
		return nil, fmt.Errorf("bus: bucket %s: %w", bucket, err)
	}
	return &Bucket{kv: kv}, nil
}

// Get returns a value. Errors: ErrKeyNotFound.
func (b *Bucket) Get(ctx context.Context, key string) ([]byte, error) {
	entry, err := b.kv.Get(ctx, key)
	if err != nil {
		return nil, b.errorOf("get", key, err)
	}
	return entry.Value(), nil
}

// Create stores a value under a key that has none. Errors: ErrExists.
func (b *Bucket) Create(ctx context.Context, key string, value []byte) error {
	_, err := b.kv.Create(ctx, key, value)
	return b.errorOf("create", key, err)
}

// Put stores a value, whatever was there.
func (b *Bucket) Put(ctx context.Context, key string, value []byte) error {
	_, err := b.kv.Put(ctx, key, value)
	return b.errorOf("put", key, err)
}

func (b *Bucket) errorOf(action, key string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jetstream.ErrKeyExists):
		return fmt.Errorf("%w: %q in bucket %s", ErrExists, key, b.kv.Bucket())
	case errors.Is(err, jetstream.ErrKeyNotFound), errors.Is(err, jetstream.ErrKeyDeleted):
		return fmt.Errorf("%w: %q in bucket %s", ErrKeyNotFound, key, b.kv.Bucket())
	default:
		return fmt.Errorf("bus: %s %q in bucket %s: %w", action, key, b.kv.Bucket(), err)
	}
}
