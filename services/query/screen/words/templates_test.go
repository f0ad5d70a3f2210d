package words_test

import (
	"os"
	"path/filepath"
	"testing"
	"text/template/parse"
)

// templates are the screen's, and what of them says something.
type templates struct {
	code  *code
	found []use
}

func (c *code) usesInTemplates(t *testing.T) []use {
	t.Helper()
	paths, err := filepath.Glob("../templates/*.html")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no templates: %v", err)
	}
	found := templates{code: c}
	for _, path := range paths {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		tree := parse.New(path)
		tree.Mode = parse.SkipFuncCheck
		trees := map[string]*parse.Tree{}
		if _, err := tree.Parse(string(source), "", "", trees); err != nil {
			t.Fatal(err)
		}
		for _, tree := range trees {
			found.list(tree, tree.Root, "")
		}
	}
	return found.found
}

// list looks through nodes in which the dot is a field of a name.
func (ts *templates) list(tree *parse.Tree, list *parse.ListNode, dot string) {
	if list == nil {
		return
	}
	for _, node := range list.Nodes {
		switch node := node.(type) {
		case *parse.ActionNode:
			ts.pipe(tree, node.Pipe, dot)
		case *parse.TemplateNode:
			ts.pipe(tree, node.Pipe, dot)
		case *parse.IfNode:
			ts.branch(tree, &node.BranchNode, dot, dot)
		case *parse.RangeNode:
			ts.branch(tree, &node.BranchNode, dot, "")
		case *parse.WithNode:
			ts.branch(tree, &node.BranchNode, dot, field(node.Pipe.Cmds[0].Args[0], ""))
		}
	}
}

func (ts *templates) branch(tree *parse.Tree, node *parse.BranchNode, outer, inner string) {
	ts.pipe(tree, node.Pipe, outer)
	ts.list(tree, node.List, inner)
	ts.list(tree, node.ElseList, outer)
}

func (ts *templates) pipe(tree *parse.Tree, pipe *parse.PipeNode, dot string) {
	if pipe == nil {
		return
	}
	for _, command := range pipe.Cmds {
		for _, arg := range command.Args {
			if inner, ok := arg.(*parse.PipeNode); ok {
				ts.pipe(tree, inner, dot)
			}
		}
		if name, ok := command.Args[0].(*parse.IdentifierNode); !ok || name.Ident != "t" {
			continue
		}
		where, _ := tree.ErrorContext(command)
		u := use{where: where}
		if len(command.Args) > 1 {
			u.ids = ts.texts(command.Args[1], dot)
		}
		for i := 2; i < len(command.Args); i += 2 {
			u.gives = append(u.gives, ts.texts(command.Args[i], dot)...)
		}
		ts.found = append(ts.found, u)
	}
}

// texts are what a node can be; none if that is unknown.
func (ts *templates) texts(node parse.Node, dot string) []string {
	switch node := node.(type) {
	case *parse.StringNode:
		return []string{node.Text}
	case *parse.PipeNode: // (print …)
		all := []string{""}
		for _, part := range node.Cmds[0].Args[1:] {
			all = product(all, ts.texts(part, dot))
		}
		return all
	}
	name := field(node, dot)
	if texts := ts.code.returned(name); texts != nil {
		return texts
	}
	return ts.code.constants[name]
}

// field is the last name of a node like .Session.Kind; of the dot it is what the
// dot stands for.
func field(node parse.Node, dot string) string {
	switch node := node.(type) {
	case *parse.DotNode:
		return dot
	case *parse.FieldNode:
		return node.Ident[len(node.Ident)-1]
	case *parse.VariableNode:
		return node.Ident[len(node.Ident)-1]
	}
	return ""
}
