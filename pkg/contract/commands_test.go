package contract_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// commandSource is the source of the posse binary, by the names of its
// functions. A main package cannot be imported, so its flags are read.
type commandSource map[string]*ast.FuncDecl

func parseCommands(t *testing.T) commandSource {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "services", "posse", "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no source of the binary: %v", err)
	}
	functions := commandSource{}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range file.Decls {
			if function, ok := declaration.(*ast.FuncDecl); ok && function.Recv == nil {
				functions[function.Name.Name] = function
			}
		}
	}
	return functions
}

// flagKinds are the functions that make a flag; the first argument is its name.
var flagKinds = []string{"text", "texts", "toggle", "number", "span", "secret"}

// flagsOf returns the flags that a function makes, itself or by what it calls,
// with the kind of each.
func (s commandSource) flagsOf(function string) map[string]string {
	flags := map[string]string{}
	seen := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		declaration, known := s[name]
		if !known || seen[name] {
			return
		}
		seen[name] = true
		ast.Inspect(declaration.Body, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			callee, ok := call.Fun.(*ast.Ident)
			switch {
			case !ok:
			case slices.Contains(flagKinds, callee.Name):
				maps.Copy(flags, namedFlag(call, callee.Name))
			default:
				visit(callee.Name)
			}
			return true
		})
	}
	visit(function)
	return flags
}

func namedFlag(call *ast.CallExpr, kind string) map[string]string {
	if len(call.Args) == 0 {
		return nil
	}
	literal, ok := call.Args[0].(*ast.BasicLit)
	if !ok {
		return nil
	}
	name, err := strconv.Unquote(literal.Value)
	if err != nil {
		return nil
	}
	return map[string]string{name: kind}
}
