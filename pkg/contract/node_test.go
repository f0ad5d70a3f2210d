package contract_test

import (
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// node is a place in a schema file.
type node struct {
	file  string
	path  string // of the fields above it, "personal.ip"
	value any
}

func schemaNode(t *testing.T, name string) node {
	t.Helper()
	return node{name + ".json", "", readJSON(t, filepath.Join(schemaDir, name+".json"))}
}

// object returns the node's members with those of what it refers to; its own
// win, as when a field describes itself better than its type does.
func (n node) object(t *testing.T) map[string]any {
	t.Helper()
	members, ok := n.value.(map[string]any)
	if !ok {
		t.Fatalf("%s %s is %T, want an object", n.file, n.path, n.value)
	}
	ref, ok := members["$ref"].(string)
	if !ok {
		return members
	}
	file, pointer, _ := strings.Cut(ref, "#")
	target := node{path.Join(path.Dir(n.file), file), n.path, readJSON(t, filepath.Join(schemaDir, file))}
	for name := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		target.value = target.object(t)[name]
	}
	merged := maps.Clone(target.object(t))
	maps.Copy(merged, members)
	return merged
}

// fields calls visit for every property below n, parents first.
func (n node) fields(t *testing.T, visit func(field node, required bool)) {
	t.Helper()
	members := n.object(t)
	properties, _ := members["properties"].(map[string]any)
	required, _ := members["required"].([]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		field := node{n.file, strings.TrimPrefix(n.path+"."+name, "."), properties[name]}
		visit(field, slices.Contains(required, any(name)))
		field.fields(t, visit)
	}
}

// wantSame compares two lists as sets.
func wantSame(t *testing.T, what string, got, want []string) {
	t.Helper()
	got, want = slices.Clone(got), slices.Clone(want)
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-Go +documents):\n%s", what, diff)
	}
}
