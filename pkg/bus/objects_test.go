package bus_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/natstest"
)

func TestObjects(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	conn := connect(t, bus.Config{URL: natstest.Start(t).URL()})
	if _, err := conn.Objects(ctx, "FILES"); !errors.Is(err, bus.ErrKeyNotFound) {
		t.Fatalf("open what is not there: %v, want ErrKeyNotFound", err)
	}
	if _, err := conn.MakeObjects(ctx, "FILES"); err != nil {
		t.Fatal(err)
	}
	objects, err := conn.MakeObjects(ctx, "FILES")
	if err != nil {
		t.Fatalf("make what is there: %v", err)
	}
	if _, err := objects.Get(ctx, "a", 9); !errors.Is(err, bus.ErrKeyNotFound) {
		t.Errorf("Get of nothing: %v, want ErrKeyNotFound", err)
	}
	for _, name := range []string{"a", "b c"} {
		if err := objects.Create(ctx, name, []byte("of "+name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := objects.Create(ctx, "a", []byte("another")); !errors.Is(err, bus.ErrExists) {
		t.Errorf("Create of what exists: %v, want ErrExists", err)
	}
	if data, err := objects.Get(ctx, "a", 9); err != nil || string(data) != "of a" {
		t.Errorf("Get: %q, %v", data, err)
	}
	if _, err := objects.Get(ctx, "b c", 3); err == nil {
		t.Error("Get returns more than the limit")
	}
	var names []string
	if err := objects.Names(ctx, func(name string) { names = append(names, name) }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"a", "b c"}) {
		t.Errorf("names %q", names)
	}
}
