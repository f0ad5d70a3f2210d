package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/posse-pos/posse/pkg/canarytest"
)

// endTime is how long a process may take to end: what posse promises.
const endTime = 5 * time.Second

// installation is a posse that a script talks to.
type installation interface {
	// start starts it in a directory, which it continues to use if started again,
	// with settings (NAME=VALUE) in the environment of this start, and returns the
	// variables that name its addresses.
	start(dir string, settings ...string) (map[string]string, error)
	// end sends the signal to every process and waits for them.
	end(signal syscall.Signal) error
	// written is all that it wrote but the files in its directory: its logs, and what
	// is in the database.
	written() (map[string][]byte, error)
	// emptyReadModel throws the read model away while posse does not run.
	emptyReadModel() error
}

// start makes the keys of two tenants, starts posse and names it to the script.
func start(env *testscript.Env, posse installation) error {
	dir := filepath.Join(env.WorkDir, ".posse")
	for variable, tenant := range map[string]string{"KEY": "shop", "FOREIGN_KEY": "elsewhere"} {
		key, err := exec.Command("posse", "keys", "create", "--keys", filepath.Join(dir, "keys"), "--tenant", tenant).Output()
		if err != nil {
			return fmt.Errorf("posse keys create: %w", err)
		}
		env.Setenv(variable, strings.TrimSpace(string(key)))
	}
	addresses, err := posse.start(dir)
	env.Defer(func() {
		if err := posse.end(syscall.SIGKILL); err != nil {
			env.T().Fatal(err)
		}
	})
	if err != nil {
		return err
	}
	for name, value := range addresses {
		env.Setenv(name, value)
	}
	env.Values[sharedKey{}] = &shared{posse: posse}
	return nil
}

// cmdStart: start [NAME=VALUE]... starts posse again after quit or crash, with
// these in its environment.
func cmdStart(ts *testscript.TestScript, _ bool, args []string) {
	addresses, err := sharedOf(ts).posse.start(ts.MkAbs(ts.Getenv("WORK")+"/.posse"), args...)
	ts.Check(err)
	for name, value := range addresses {
		ts.Setenv(name, value)
	}
}

// cmdQuit: quit ends posse as Ctrl-C does; every process must end within five
// seconds and say that all went well.
func cmdQuit(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Check(sharedOf(ts).posse.end(syscall.SIGINT))
}

// cmdCrash: crash kills every process of posse at once, with kill -9.
func cmdCrash(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Check(sharedOf(ts).posse.end(syscall.SIGKILL))
}

// cmdEmptyReadModel: empty-read-model throws away what the projector made.
func cmdEmptyReadModel(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Check(sharedOf(ts).posse.emptyReadModel())
}

// cmdNowhere: nowhere WORD... fails if anything that posse wrote says one of the
// words: a file, a log, a row. ! nowhere WORD fails if nothing says it.
func cmdNowhere(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 || neg && len(args) != 1 {
		ts.Fatalf("usage: nowhere WORD... or ! nowhere WORD")
	}
	all, err := sharedOf(ts).posse.written()
	ts.Check(err)
	files, err := canarytest.Files(ts.MkAbs(ts.Getenv("WORK") + "/.posse"))
	ts.Check(err)
	maps.Copy(all, files)
	for name, content := range all {
		for _, word := range args {
			i := bytes.Index(content, []byte(word))
			if i >= 0 && neg {
				return
			}
			if i >= 0 {
				ts.Fatalf("%s says %q at %d", name, word, i)
			}
		}
	}
	if neg {
		ts.Fatalf("none of %d files says %q", len(all), args[0])
	}
	ts.Logf("looked into %d files", len(all))
}

// cmdAddresses: addresses FILE waits for a process to write its --ready-file, and
// puts the addresses in it into variables: $API, and $API_HOST without its
// http://; likewise ADMIN, PROXY and NATS.
func cmdAddresses(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: addresses FILE")
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-tick.C {
		data, err := os.ReadFile(ts.MkAbs(args[0]))
		if err != nil {
			continue
		}
		var addresses map[string]string
		ts.Check(json.Unmarshal(data, &addresses))
		for name, address := range addresses {
			ts.Setenv(strings.ToUpper(name), address)
			_, hostPort, _ := strings.Cut(address, "://")
			ts.Setenv(strings.ToUpper(name)+"_HOST", hostPort)
		}
		return
	}
	ts.Fatalf("%s was not written within %v", args[0], patience)
}

// cmdCapture: capture FILE REGEXP NAME puts what the first group of an expression
// matches in a file, or in stdout or stderr, into a variable.
func cmdCapture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: capture FILE REGEXP NAME")
	}
	match := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile(args[0]))
	if len(match) < 2 {
		ts.Fatalf("%s has no match for %q", args[0], args[1])
	}
	ts.Setenv(args[2], match[1])
}

// child is a process.
type child struct {
	name string
	cmd  *exec.Cmd
	log  bytes.Buffer
	done chan error
}

// spawn starts a program with variables added to the environment, and waits
// until it has announced its addresses.
func spawn(dir, name, program string, args, env []string) (*child, map[string]string, error) {
	file := filepath.Join(dir, name+".ready")
	_ = os.Remove(file)
	c := &child{name: name, cmd: exec.Command(program, args...), done: make(chan error, 1)}
	c.cmd.Env = append(cleanEnvironment(), append(env, "POSSE_READY_FILE="+file)...)
	c.cmd.Stderr, c.cmd.Stdout = &c.log, &c.log
	if err := c.cmd.Start(); err != nil {
		return nil, nil, err
	}
	go func() { c.done <- c.cmd.Wait() }()
	addresses, err := c.waitReady(file)
	return c, addresses, err
}

func cleanEnvironment() []string {
	var env []string
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "POSSE_") {
			env = append(env, variable)
		}
	}
	return env
}

func (c *child) waitReady(file string) (map[string]string, error) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(patience)
	for {
		data, err := os.ReadFile(file)
		if err == nil {
			var addresses map[string]string
			err = json.Unmarshal(data, &addresses)
			return addresses, err
		}
		select {
		case err := <-c.done:
			c.done <- err
			return nil, fmt.Errorf("%s ended before it was ready: %w\n%s", c.name, err, &c.log)
		case <-timeout:
			_ = c.cmd.Process.Signal(syscall.SIGQUIT)
			err := <-c.done
			c.done <- err
			return nil, fmt.Errorf("%s is not ready after %v\n%s", c.name, patience, &c.log)
		case <-tick.C:
		}
	}
}

// end signals the process and waits for it. It is no error to be killed.
func (c *child) end(signal syscall.Signal) error {
	_ = c.cmd.Process.Signal(signal)
	select {
	case err := <-c.done:
		c.done <- err
		if err != nil && signal != syscall.SIGKILL {
			return fmt.Errorf("%s ended with %w\n%s", c.name, err, &c.log)
		}
		return nil
	case <-time.After(endTime):
		_ = c.cmd.Process.Kill()
		c.done <- <-c.done
		return fmt.Errorf("%s did not end within %v\n%s", c.name, endTime, &c.log)
	}
}
