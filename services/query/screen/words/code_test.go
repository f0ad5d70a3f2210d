package words_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// code is the Go source of this package and the screen's, and what the parts of
// ids can be that are not written out.
type code struct {
	files     []*ast.File
	positions *token.FileSet
	functions map[string][]*ast.FuncDecl
	constants map[string][]string // by the name of the field that holds them
}

func readCode(t *testing.T) *code {
	t.Helper()
	c := &code{positions: token.NewFileSet(), functions: map[string][]*ast.FuncDecl{}}
	c.files = slices.Concat(parseFolder(t, c.positions, "."), parseFolder(t, c.positions, ".."))
	for _, file := range c.files {
		for _, declared := range file.Decls {
			if f, ok := declared.(*ast.FuncDecl); ok {
				c.functions[f.Name.Name] = append(c.functions[f.Name.Name], f)
			}
		}
	}
	c.constants = map[string][]string{
		"Application": constants(t, "../../../../pkg/device", "Application"), // application.*
		"Cause":       constants(t, "../../../../events", "Cause"),           // cause.*
		"Notice":      constants(t, "../../signin", "Notice"),                // notice.*
	}
	return c
}

func parseFolder(t *testing.T, positions *token.FileSet, folder string) []*ast.File {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no Go files in %s: %v", folder, err)
	}
	var parsed []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(positions, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, file)
	}
	return parsed
}

// constants are the values of a type's constants.
func constants(t *testing.T, folder, typeName string) []string {
	t.Helper()
	var values []string
	for _, file := range parseFolder(t, token.NewFileSet(), folder) {
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if of, ok := spec.Type.(*ast.Ident); ok && of.Name == typeName {
				for _, value := range spec.Values {
					values = append(values, unquote(value)...)
				}
			}
			return false
		})
	}
	if len(values) == 0 {
		t.Fatalf("%s has no constants of type %s", folder, typeName)
	}
	return values
}

func unquote(e ast.Expr) []string {
	literal, ok := e.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return nil
	}
	s, err := strconv.Unquote(literal.Value)
	if err != nil {
		return nil
	}
	return []string{s}
}

// texts are what an expression in a function can be; none if that is unknown.
func (c *code) texts(in *ast.FuncDecl, e ast.Expr) []string {
	switch e := e.(type) {
	case *ast.BasicLit:
		return unquote(e)
	case *ast.BinaryExpr:
		return product(c.texts(in, e.X), c.texts(in, e.Y))
	case *ast.SelectorExpr:
		return c.constants[e.Sel.Name]
	case *ast.Ident:
		return c.assigned(in, e.Name)
	case *ast.CallExpr:
		if conversion, ok := e.Fun.(*ast.Ident); ok && conversion.Name == "string" {
			return c.texts(in, e.Args[0])
		}
		if method, ok := e.Fun.(*ast.SelectorExpr); ok {
			return c.returned(method.Sel.Name)
		}
	}
	return nil
}

// assigned are the texts that a function gives one of its variables.
func (c *code) assigned(in *ast.FuncDecl, name string) []string {
	var texts []string
	ast.Inspect(in, func(n ast.Node) bool {
		if assignment, ok := n.(*ast.AssignStmt); ok && len(assignment.Lhs) == len(assignment.Rhs) {
			for i, to := range assignment.Lhs {
				if to, ok := to.(*ast.Ident); ok && to.Name == name {
					texts = append(texts, unquote(assignment.Rhs[i])...)
				}
			}
		}
		return true
	})
	return texts
}

// returned are the texts that the methods of a name return.
func (c *code) returned(name string) []string {
	var texts []string
	for _, f := range c.functions[name] {
		ast.Inspect(f, func(n ast.Node) bool {
			if result, ok := n.(*ast.ReturnStmt); ok && len(result.Results) == 1 {
				texts = append(texts, c.texts(f, result.Results[0])...)
			}
			return true
		})
	}
	return texts
}

// product is every text of a followed by every one of b.
func product(a, b []string) []string {
	var all []string
	for _, x := range a {
		for _, y := range b {
			all = append(all, x+y)
		}
	}
	return all
}

// uses are the places in Go that say something.
func (c *code) uses() []use {
	var uses []use
	for _, functions := range c.functions {
		for _, f := range functions {
			ast.Inspect(f, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				if say, ok := call.Fun.(*ast.SelectorExpr); ok && say.Sel.Name == "Say" {
					uses = append(uses, use{c.positions.Position(call.Pos()).String(), c.texts(f, call.Args[0]), c.gives(f, call)})
				}
				return true
			})
		}
	}
	return uses
}

// gives are the names of the variables in a call of Say: every other argument, or
// every other element of the slice that stands for them.
func (*code) gives(in *ast.FuncDecl, call *ast.CallExpr) []string {
	given := call.Args[1:]
	if call.Ellipsis.IsValid() {
		given = nil
		ast.Inspect(in, func(n ast.Node) bool {
			if list, ok := n.(*ast.CompositeLit); ok && given == nil {
				given = list.Elts
			}
			return true
		})
	}
	var names []string
	for i := 0; i < len(given); i += 2 {
		names = append(names, unquote(given[i])...)
	}
	return names
}
