package main

import (
	"log"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/posse-pos/posse/pkg/pgtest"
)

// TestMain makes the test binary posse and nats-server as well, so that the
// scripts run what they test as processes of its own.
func TestMain(m *testing.M) {
	testscript.Main(pgtest.Stopping(m), map[string]func(){
		"posse": main,
		"nats-server": func() {
			if err := natsServer(); err != nil {
				log.Fatal(err)
			}
		},
	})
}

// TestServe runs the scripts against one process that does everything.
func TestServe(t *testing.T) {
	t.Parallel()
	runScripts(t, "testdata/script", func(*testing.T) installation { return &serving{} })
}

// TestProcesses runs the same scripts against one process per role, with a
// nats-server of its own and a PostgreSQL database.
func TestProcesses(t *testing.T) {
	t.Parallel()
	runScripts(t, "testdata/script", newProcesses)
}

// TestProcessesOnly runs the scripts that need a NATS of their own to look into.
func TestProcessesOnly(t *testing.T) {
	t.Parallel()
	runScripts(t, "testdata/processes", newProcesses)
}

// TestCommands runs the scripts about commands that need no running posse, or
// start it themselves.
func TestCommands(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/commands",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                scriptCommands,
		Setup:               prepare,
	})
}

// runScripts runs the scripts in a folder, each with a posse of its own.
func runScripts(t *testing.T, dir string, install func(*testing.T) installation) {
	t.Helper()
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                scriptCommands,
		Setup: func(env *testscript.Env) error {
			if err := prepare(env); err != nil {
				return err
			}
			return start(env, install(t))
		},
	})
}

// prepare gives a script what its commands share, and a POSSE_ environment in
// which nothing clashes.
func prepare(env *testscript.Env) error {
	env.Values[sharedKey{}] = &shared{}
	for _, variable := range anyPort {
		name, value, _ := strings.Cut(variable, "=")
		env.Setenv(name, value)
	}
	return nil
}
