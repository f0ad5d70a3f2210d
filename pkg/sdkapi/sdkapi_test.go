package main

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// check returns a package with the given declarations.
func check(t *testing.T, declarations string) *types.Package {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "p.go", "package p\n"+declarations, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	config := types.Config{Importer: importer.ForCompiler(files, "source", nil)}
	p, err := config.Check("example.com/p", files, []*ast.File{file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// alone returns the lines of a package and of no other.
func alone(p *types.Package) []string {
	return list([]*types.Package{p}, func(*types.Package) bool { return false })
}

// TestTypesOfOtherPackagesAreListed with what they consist of, as far as the API
// leads there.
func TestTypesOfOtherPackagesAreListed(t *testing.T) {
	t.Parallel()
	p := check(t, `
		import ("encoding/json"; "net/url"; "time")
		func Ask(func([]*url.URL) map[string]*json.Number)
		var Wait time.Duration
	`)
	got := list([]*types.Package{p}, func(of *types.Package) bool { return of.Path() == "net/url" })
	for _, line := range []string{"url: type URL struct, Host string", "url: type URL struct, User *Userinfo", "url: method (*Userinfo) Username() string"} {
		if !slices.Contains(got, line) {
			t.Errorf("%q is not among %q", line, got)
		}
	}
	for _, line := range got {
		if strings.HasPrefix(line, "json:") || strings.HasPrefix(line, "time:") || strings.Contains(line, "url: func") {
			t.Errorf("it lists %q", line)
		}
	}
}

func TestEveryKindOfDeclarationIsListed(t *testing.T) {
	t.Parallel()
	got := alone(check(t, `
		import "time"
		const Life = 2 * time.Second
		const Name = "posse"
		const hidden = 1
		var Err error
		func Do(f func(tenant, session string), each ...[]map[string]*Box) (n int, err error) { return }
		func help() {}
		type Word string
		type Same = Word
		type Box struct { Base; A, B int; hidden int }
		func (Box) Read() {}
		func (*Box) Write(p []byte) {}
		func (*Box) hide() {}
		type Base struct { F func() }
		func (b *Base) Promoted() {}
		type Pair[A, B any] struct { First A }
		func (Pair[A, B]) Swap() (p Pair[B, A]) { return }
		type Port interface { Get(key string) (value string); Put(key, value string) }
	`))
	want := []string{
		`p: const Life time.Duration = 2000000000`,
		`p: const Name untyped string = "posse"`,
		`p: func Do(func(string, string), ...[]map[string]*Box) (int, error)`,
		`p: method (*Base) Promoted()`,
		`p: method (*Box) Promoted()`,
		`p: method (*Box) Write([]byte)`,
		`p: method (Box) Read()`,
		`p: method (Pair) Swap() Pair[B, A]`,
		`p: type Base struct`,
		`p: type Base struct, F func()`,
		`p: type Box struct`,
		`p: type Box struct, A int`,
		`p: type Box struct, B int`,
		`p: type Box struct, embedded Base`,
		`p: type Pair[A, B any] struct`,
		`p: type Pair[A, B any] struct, First A`,
		`p: type Port interface{Get(string) string; Put(string, string)}`,
		`p: type Same = Word`,
		`p: type Word string`,
		`p: var Err error`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatBreaksUsers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before, after string
		gone, added   int
	}{
		"a function is removed":              {before: `func F() {}`, gone: 1},
		"a function takes another type":      {before: `func F(int) {}`, after: `func F(string) {}`, gone: 1, added: 1},
		"a function takes more":              {before: `func F(int) {}`, after: `func F(int, ...int) {}`, gone: 1, added: 1},
		"a method is removed":                {before: `type T int; func (T) M() {}`, after: `type T int`, gone: 1},
		"a method needs a pointer":           {before: `type T int; func (T) M() {}`, after: `type T int; func (*T) M() {}`, gone: 1, added: 1},
		"a field is removed":                 {before: `type T struct{ A, B int }`, after: `type T struct{ A int }`, gone: 1},
		"a field has another type":           {before: `type T struct{ A int }`, after: `type T struct{ A int64 }`, gone: 1, added: 1},
		"a struct cannot be compared":        {before: `type T struct{ A int }`, after: `type T struct{ A int; b []int }`, gone: 1},
		"an interface demands more":          {before: `type T interface{ A() }`, after: `type T interface{ A(); B() }`, gone: 1, added: 1},
		"a constant has another value":       {before: `const C = 1`, after: `const C = 2`, gone: 1, added: 1},
		"a variable becomes a constant":      {before: `var V = 1`, after: `const V = 1`, gone: 1, added: 1},
		"a type is another":                  {before: `type T string`, after: `type T int`, gone: 1, added: 1},
		"a function is added":                {after: `func F() {}`, added: 1},
		"a method is added":                  {before: `type T int`, after: `type T int; func (T) M() {}`, added: 1},
		"a field is added":                   {before: `type T struct{ A int }`, after: `type T struct{ A, B int }`, added: 1},
		"a parameter has another name":       {before: `func F(a int) {}`, after: `func F(b int) {}`},
		"a callback's parameter has another": {before: `type T struct{ F func(a int) }`, after: `type T struct{ F func(b int) }`},
		"what is not exported changes":       {before: `func f() {}; type T struct{ a int }`, after: `type T struct{ a string }`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := compare(alone(check(t, test.before)), alone(check(t, test.after)))
			if len(found.gone) != test.gone || len(found.added) != test.added {
				t.Errorf("gone %q, added %q; want %d and %d lines", found.gone, found.added, test.gone, test.added)
			}
		})
	}
}

func TestTheSentenceSaysWhatToDo(t *testing.T) {
	t.Parallel()
	gone, added := []string{"p: func F()"}, []string{"p: func G()"}
	for name, test := range map[string]struct {
		change change
		want   string
	}{
		"gone":  {change{gone: gone}, "- p: func F()\n"},
		"both":  {change{gone, added}, "`make api BREAKING=yes`"},
		"added": {change{added: added}, "+ p: func G()\nEverything is new and breaks nobody: run `make api` and commit."},
	} {
		if err := test.change.err(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v; want a sentence with %q", name, err, test.want)
		}
	}
	if err := compare(gone, gone).err(); err != nil {
		t.Errorf("nothing changed: %v", err)
	}
}

func TestPackagesOfTheSDK(t *testing.T) {
	t.Parallel()
	packages, err := load("../gateway")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range packages {
		names = append(names, p.Name())
	}
	if diff := cmp.Diff([]string{"gateway", "gatewaytest", "tokens"}, names); diff != "" {
		t.Errorf("packages whose API is recorded (-want +got):\n%s", diff)
	}
}
