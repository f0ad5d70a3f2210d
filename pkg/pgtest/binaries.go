package pgtest

import (
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ErrMissing says that there is no PostgreSQL to test with.
var ErrMissing = errors.New("no PostgreSQL found: install the package postgresql " +
	"(Debian: apt-get install postgresql), or set " + Variable + " to the URL of a server, " +
	"such as postgres://user@localhost/postgres")

// places are where packages put PostgreSQL's binaries without adding them to
// PATH.
var places = []string{
	"/usr/lib/postgresql/*/bin",          // Debian and Ubuntu
	"/usr/pgsql-*/bin",                   // the RPMs of postgresql.org
	"/opt/homebrew/opt/postgresql@*/bin", // Homebrew
	"/usr/local/opt/postgresql@*/bin",    // Homebrew on Intel
	"/usr/local/pgsql/bin",               // built from source
}

// findBinaries returns the directory that has initdb and postgres: the one in
// PATH, or the newest of those in the usual places.
func findBinaries() (string, error) {
	var found []string
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			found = append(found, filepath.Dir(path))
		}
	}
	for _, place := range places {
		dirs, _ := filepath.Glob(place) // the patterns are good
		slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
		found = append(found, dirs...)
	}
	for _, dir := range found {
		if isExecutable(dir, "initdb") && isExecutable(dir, "postgres") {
			return dir, nil
		}
	}
	return "", ErrMissing
}

func isExecutable(dir, name string) bool {
	_, err := exec.LookPath(filepath.Join(dir, name))
	return err == nil
}

// version is the major version in a path such as /usr/lib/postgresql/15/bin.
func version(dir string) int {
	base := filepath.Base(filepath.Dir(dir))
	number, err := strconv.Atoi(base[strings.LastIndexAny(base, "-@")+1:])
	if err != nil {
		return 0
	}
	return number
}
