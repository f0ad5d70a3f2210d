package main

import (
	"fmt"
	"go/types"
	"maps"
	"slices"
)

// lister writes the exported declarations of a package down, one a line. A line
// says everything on which code that uses the declaration can rely, and nothing
// else: no name of a parameter, no unexported field.
type lister struct {
	of    *types.Package
	lines []string
	named map[*types.TypeName]bool // what the lines name
}

// list returns the lines of packages, and of the types of other packages that these
// name, as far as reaches says that they are part of the API. Those of a package are
// sorted.
func list(packages []*types.Package, reaches func(*types.Package) bool) []string {
	var lines []string
	listed, named := map[*types.Package]bool{}, map[*types.TypeName]bool{}
	for _, of := range packages {
		listed[of] = true
		l := &lister{of: of, named: named}
		for _, name := range of.Scope().Names() {
			if object := of.Scope().Lookup(name); object.Exported() {
				l.object(object)
			}
		}
		slices.Sort(l.lines)
		lines = append(lines, l.lines...)
	}
	return append(lines, others(named, func(t *types.TypeName) bool {
		return t.Pkg() != nil && !listed[t.Pkg()] && reaches(t.Pkg())
	})...)
}

// others returns the lines of the types that are named and wanted, and of those that
// these name in turn.
func others(named map[*types.TypeName]bool, wanted func(*types.TypeName) bool) []string {
	var lines []string
	for listed := map[*types.TypeName]bool{}; ; {
		before := len(listed)
		for t := range maps.Clone(named) {
			if !wanted(t) || listed[t] {
				continue
			}
			listed[t] = true
			l := &lister{of: t.Pkg(), named: named}
			l.typeName(t)
			lines = append(lines, l.lines...)
		}
		if len(listed) == before {
			slices.Sort(lines)
			return lines
		}
	}
}

func (l *lister) linef(format string, args ...any) {
	l.lines = append(l.lines, l.of.Name()+": "+fmt.Sprintf(format, args...))
}

func (l *lister) object(object types.Object) {
	switch object := object.(type) {
	case *types.Const:
		l.linef("const %s %s = %s", object.Name(), l.typ(object.Type()), object.Val().ExactString())
	case *types.Var:
		l.linef("var %s %s", object.Name(), l.typ(object.Type()))
	case *types.Func:
		l.linef("func %s%s", object.Name(), l.signature(object.Type()))
	case *types.TypeName:
		l.typeName(object)
	}
}

func (l *lister) typeName(object *types.TypeName) {
	if object.IsAlias() {
		l.linef("type %s = %s", object.Name(), l.typ(types.Unalias(object.Type())))
		return
	}
	if structure, ok := object.Type().Underlying().(*types.Struct); ok {
		l.structure(l.typ(object.Type()), structure)
	} else {
		l.linef("type %s %s", l.typ(object.Type()), l.typ(object.Type().Underlying()))
	}
	l.methods(object)
}

func (l *lister) structure(name string, structure *types.Struct) {
	l.linef("type %s struct", name)
	if types.Comparable(structure) {
		l.linef("type %s struct, comparable with ==", name)
	}
	for field := range structure.Fields() {
		switch {
		case !field.Exported():
		case field.Embedded():
			l.linef("type %s struct, embedded %s", name, l.typ(field.Type()))
		default:
			l.linef("type %s struct, %s %s", name, field.Name(), l.typ(field.Type()))
		}
	}
}

// methods lists what a value and a pointer can be asked, promoted methods too.
// Those of an interface stand in its one line, as adding one breaks whoever
// implements it.
func (l *lister) methods(object *types.TypeName) {
	if types.IsInterface(object.Type()) {
		return
	}
	ofValue := types.NewMethodSet(object.Type())
	for selection := range types.NewMethodSet(types.NewPointer(object.Type())).Methods() {
		method := selection.Obj()
		if !method.Exported() {
			continue
		}
		star := "*"
		if ofValue.Lookup(method.Pkg(), method.Name()) != nil {
			star = ""
		}
		l.linef("method (%s%s) %s%s", star, object.Name(), method.Name(), l.signature(selection.Type()))
	}
}

func (l *lister) typ(t types.Type) string {
	return types.TypeString(l.nameless(t), types.RelativeTo(l.of))
}

func (l *lister) signature(t types.Type) string {
	return l.typ(t)[len("func"):]
}

// nameless returns a type without the names of parameters, which may change, and
// takes note of the types that it names.
func (l *lister) nameless(t types.Type) types.Type {
	switch t := t.(type) {
	case *types.Named:
		l.named[t.Origin().Obj()] = true
		return t
	case *types.Alias:
		l.named[t.Obj()] = true
		return t
	case *types.Signature:
		if t.TypeParams().Len() > 0 {
			return t // its parameters cannot be taken over into another signature
		}
		return types.NewSignatureType(nil, nil, nil, l.namelessTuple(t.Params()), l.namelessTuple(t.Results()), t.Variadic())
	case *types.Pointer:
		return types.NewPointer(l.nameless(t.Elem()))
	case *types.Slice:
		return types.NewSlice(l.nameless(t.Elem()))
	case *types.Array:
		return types.NewArray(l.nameless(t.Elem()), t.Len())
	case *types.Map:
		return types.NewMap(l.nameless(t.Key()), l.nameless(t.Elem()))
	case *types.Chan:
		return types.NewChan(t.Dir(), l.nameless(t.Elem()))
	case *types.Interface:
		if !t.IsMethodSet() {
			return t // a constraint
		}
		methods := make([]*types.Func, 0, t.NumMethods())
		for method := range t.Methods() {
			signature, _ := l.nameless(method.Type()).(*types.Signature)
			methods = append(methods, types.NewFunc(method.Pos(), method.Pkg(), method.Name(), signature))
		}
		return types.NewInterfaceType(methods, nil)
	default:
		return t
	}
}

func (l *lister) namelessTuple(tuple *types.Tuple) *types.Tuple {
	variables := make([]*types.Var, 0, tuple.Len())
	for v := range tuple.Variables() {
		variables = append(variables, types.NewParam(v.Pos(), v.Pkg(), "", l.nameless(v.Type())))
	}
	return types.NewTuple(variables...)
}
