package contract_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"
)

func TestSchemasKnowTheWords(t *testing.T) {
	t.Parallel()
	common := schemaNode(t, "common").object(t)["$defs"].(map[string]any)
	revoked := schemaNode(t, "session.revoked.v1").object(t)["properties"].(map[string]any)
	wantSame(t, "causes", words(t, common["cause"], "examples"), constants(t, "Cause"))
	wantSame(t, "initiating entities", words(t, revoked["initiating_entity"], "enum"), constants(t, "InitiatingEntity"))
}

func words(t *testing.T, schema any, keyword string) []string {
	t.Helper()
	var words []string
	for _, word := range schema.(map[string]any)[keyword].([]any) {
		words = append(words, word.(string))
	}
	return words
}

// constants returns the values of the string constants of a type in package
// events, which reflection cannot list.
func constants(t *testing.T, typ string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../events/revoked.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		name, named := spec.Type.(*ast.Ident)
		literal, literally := spec.Values[0].(*ast.BasicLit)
		if named && literally && name.Name == typ {
			value, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, value)
		}
		return true
	})
	return values
}
