package main

import (
	"errors"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// load returns the packages of a module that others can import, in the order of
// their paths. It builds them as a stranger would, without the workspace.
func load(dir string) ([]*types.Package, error) {
	const format = "{{.ImportPath}}\t{{.Export}}\t{{.Name}}\t{{with .Module}}{{.Main}}{{end}}"
	command := exec.Command("go", "list", "-export", "-deps", "-f", format, "./...") //nolint:noctx // it ends by itself
	command.Dir, command.Stderr = dir, os.Stderr
	command.Env = append(os.Environ(), "GOWORK=off")
	output, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go list in %s: %w", dir, err)
	}
	exports := map[string]string{}
	var public []string
	for line := range strings.Lines(string(output)) {
		var p [4]string // the parts of the format
		copy(p[:], strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
		path, export, name, ours := p[0], p[1], p[2], p[3] == "true"
		exports[path] = export
		if ours && name != "main" && !isInternal(path) {
			public = append(public, path)
		}
	}
	slices.Sort(public)
	return importAll(public, exports)
}

// isOurs reports whether a package is of posse and can be imported by others.
func isOurs(p *types.Package) bool {
	return strings.HasPrefix(p.Path(), "github.com/posse-pos/posse/") && !isInternal(p.Path())
}

func isInternal(importPath string) bool {
	return strings.Contains(importPath+"/", "/internal/")
}

func importAll(paths []string, exports map[string]string) ([]*types.Package, error) {
	source := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		file, known := exports[path]
		if !known {
			return nil, errors.New("no package " + path)
		}
		return os.Open(file)
	})
	packages := make([]*types.Package, len(paths))
	for i, p := range paths {
		var err error
		if packages[i], err = source.Import(p); err != nil {
			return nil, fmt.Errorf("reading what %s exports: %w", p, err)
		}
	}
	return packages, nil
}
