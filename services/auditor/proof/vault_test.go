package proof_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/natstest"
	"github.com/posse-pos/posse/services/auditor/proof"
)

// vault is a second place for somebody who may do there what an auditor does not.
type vault interface {
	remove(size uint64)
	overwrite(size uint64, signed []byte)
}

// vaults makes a place.
type vaults func(t *testing.T) (proof.Place, vault)

// everyPlace are the kinds of places that there are.
var everyPlace = map[string]vaults{"a directory": inADirectory, "a bucket": inABucket}

type directory struct {
	t    *testing.T
	path proof.Directory
}

func inADirectory(t *testing.T) (proof.Place, vault) {
	t.Helper()
	d := directory{t, proof.Directory(filepath.Join(t.TempDir(), "elsewhere"))}
	return d.path, d
}

func (d directory) remove(size uint64) {
	d.t.Helper()
	if err := os.Remove(d.path.Where(size)); err != nil {
		d.t.Fatal(err)
	}
}

func (d directory) overwrite(size uint64, signed []byte) {
	d.t.Helper()
	if err := os.WriteFile(d.path.Where(size), signed, 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// bucket is one in a NATS of its own.
type bucket struct {
	t     *testing.T
	store jetstream.ObjectStore
}

func inABucket(t *testing.T) (proof.Place, vault) {
	t.Helper()
	conn, err := bus.Connect(t.Context(), bus.Config{URL: natstest.Start(t).URL(), Name: t.Name(), Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	place := proof.NewBucket(conn, "vault")
	if _, err := place.Sizes(t.Context()); err == nil {
		t.Fatal("there is a bucket before it was made")
	}
	if err := place.Make(t.Context()); err != nil {
		t.Fatal(err)
	}
	store, err := conn.JetStream().ObjectStore(t.Context(), "vault")
	if err != nil {
		t.Fatal(err)
	}
	return place, bucket{t, store}
}

func (b bucket) name(size uint64) string { return filepath.Base(proof.Directory("").Where(size)) }

func (b bucket) remove(size uint64) {
	b.t.Helper()
	if err := b.store.Delete(b.t.Context(), b.name(size)); err != nil {
		b.t.Fatal(err)
	}
}

func (b bucket) overwrite(size uint64, signed []byte) {
	b.t.Helper()
	if _, err := b.store.PutBytes(b.t.Context(), b.name(size), signed); err != nil {
		b.t.Fatal(err)
	}
}

// checkpoint is what is kept under a size.
func (r *rig) checkpoint(size uint64) []byte {
	r.t.Helper()
	signed, err := r.place.Read(r.t.Context(), size)
	r.must(err)
	return signed
}

// Every kind of place keeps what it is given, and says what it does not have.
func TestPlaces(t *testing.T) {
	t.Parallel()
	for name, where := range everyPlace {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			place, vault := where(t)
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			must(place.Make(t.Context()))
			must(place.Make(t.Context()))
			wantSizes(t, place)
			for _, size := range []uint64{30, 4, 100} {
				must(place.Write(t.Context(), size, []byte("signed")))
			}
			wantSizes(t, place, 4, 30, 100)
			if err := place.Write(t.Context(), 30, []byte("another")); !errors.Is(err, fs.ErrExist) {
				t.Errorf("written over: %v", err)
			}
			if signed, err := place.Read(t.Context(), 30); string(signed) != "signed" || err != nil {
				t.Errorf("read %q: %v", signed, err)
			}
			if _, err := place.Read(t.Context(), 31); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("read what is not there: %v", err)
			}
			vault.overwrite(4, make([]byte, 1<<20))
			if _, err := place.Read(t.Context(), 4); err == nil {
				t.Error("something huge is read")
			}
			vault.remove(30)
			wantSizes(t, place, 4, 100)
			if _, err := place.Read(t.Context(), 30); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("read what was removed: %v", err)
			}
		})
	}
}

func wantSizes(t *testing.T, place proof.Place, want ...uint64) {
	t.Helper()
	sizes, err := place.Sizes(t.Context())
	if err != nil || !slices.Equal(sizes, want) {
		t.Errorf("%s has the sizes %d, want %d: %v", place, sizes, want, err)
	}
}
