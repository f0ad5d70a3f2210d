package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/services/posse/embedded"
	"github.com/posse-pos/posse/services/query/signin"
	"github.com/posse-pos/posse/services/query/signin/oidctest"
)

// browserDir holds the specs, which are JavaScript for Playwright; see the README
// there.
const browserDir = "browser"

// TestScreenInTheBrowser drives the Sessions screen in a real browser: served by
// the one process that does everything, and by one process per role.
func TestScreenInTheBrowser(t *testing.T) {
	t.Parallel()
	needBrowser(t)
	for _, topology := range []struct {
		name  string
		start func(t *testing.T, dir string) []string
	}{
		{"serve", startServeForScreen},
		{"processes", startProcessesForScreen},
	} {
		// One after the other: two browsers at a time are enough for a small machine.
		t.Run(topology.name, func(t *testing.T) {
			dir := t.TempDir()
			env := append(topology.start(t, dir), "POSSE_PROVIDER="+startProvider(t))
			runSpecs(t, append(env, "POSSE_TOPOLOGY="+topology.name, "POSSE_KEYS="+filepath.Join(dir, "keys")))
		})
	}
}

// needBrowser says what is missing, before anything is started.
func needBrowser(t *testing.T) {
	t.Helper()
	for _, program := range []string{"node", cmp.Or(os.Getenv("POSSE_CHROMIUM"), "chromium")} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%v: run `make browser`, which installs what the browser tests need", err)
		}
	}
	if _, err := os.Stat(filepath.Join(browserDir, "node_modules", "@playwright", "test", "cli.js")); err != nil {
		t.Fatalf("%v: run `make browser`, which installs what the browser tests need", err)
	}
}

// runSpecs runs the specs, all of them or those that the arguments of the test
// name as Playwright does: go test … -args live.spec.mjs. Env says where posse is.
func runSpecs(t *testing.T, env []string) {
	t.Helper()
	args := append([]string{"node_modules/@playwright/test/cli.js", "test"}, flag.Args()...)
	specs := exec.CommandContext(t.Context(), "node", args...)
	specs.Dir = browserDir
	specs.Env = append(cleanEnvironment(), append(env, "POSSE_CHROMIUM="+os.Getenv("POSSE_CHROMIUM"))...)
	specs.Stdout, specs.Stderr = t.Output(), t.Output()
	// Interrupted, it closes its browsers.
	specs.Cancel = func() error { return specs.Process.Signal(os.Interrupt) }
	specs.WaitDelay = endTime
	if err := specs.Run(); err != nil {
		t.Errorf("playwright: %v; screenshots of what failed are in %s/artefacts", err, browserDir)
	}
}

// printedLink is the link that posse prints when it starts.
var printedLink = regexp.MustCompile(`http\S+/signin\?link=\S+`)

// startServeForScreen starts `posse serve` on a log with a past, and a gateway
// elsewhere.
func startServeForScreen(t *testing.T, dir string) []string {
	t.Helper()
	nats, err := embedded.Start(t.Context(), embedded.Config{Dir: dir, Logger: quietly()})
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(recordPast(t.Context(), bus.Config{URL: nats.URL()}), nats.Close())
	if err != nil {
		t.Fatal(err)
	}
	posse, addresses, err := spawn(dir, "serve", "posse", []string{"serve"}, append(slices.Clone(anyPort),
		"POSSE_DATA="+dir, "POSSE_KEYS="+filepath.Join(dir, "keys"), "POSSE_STALE_POLICY=fail_closed", "POSSE_NATS_LISTEN=127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := posse.end(syscall.SIGINT); err != nil {
			t.Error(err)
		}
	})
	password, err := os.ReadFile(filepath.Join(dir, "gateway-password"))
	if err != nil {
		t.Fatal(err)
	}
	address := "nats://gateway:" + strings.TrimSpace(string(password)) + "@" + strings.TrimPrefix(addresses["nats"], "nats://")
	return append(startAnnex(t, dir, address, addresses["api"]),
		"POSSE_URL="+addresses["api"], "POSSE_LINK="+printedLink.FindString(posse.log.String()))
}

// startProvider starts an OpenID provider for the posse that the specs start.
func startProvider(t *testing.T) (issuer string) {
	t.Helper()
	provider := oidctest.Reserve(t).Start()
	provider.Admit("http://127.0.0.1" + signin.PathCallback)
	return provider.Issuer
}

// startProcessesForScreen starts one process per role on a log with a past, and
// a second gateway.
func startProcessesForScreen(t *testing.T, dir string) []string {
	t.Helper()
	p, ok := newProcesses(t).(*processes)
	if !ok {
		t.Fatal("newProcesses returns something else")
	}
	t.Cleanup(func() { _ = p.end(syscall.SIGKILL) })
	addresses, err := p.start(dir)
	if err != nil {
		t.Fatal(err)
	}
	nats, err := readAddresses(filepath.Join(dir, "nats.ready"))
	if err != nil {
		t.Fatal(err)
	}
	if err := recordPast(t.Context(), bus.Config{URL: nats["nats"], NKeyFile: seedFile(dir, "recorder")}); err != nil {
		t.Fatal(err)
	}
	return append(startAnnex(t, dir, nats["nats"], addresses["RECORDER"], "POSSE_NATS_NKEY="+seedFile(dir, "gateway")),
		"POSSE_URL="+addresses["QUERY"], "POSSE_RECORDER="+addresses["RECORDER"], "POSSE_GATEWAY="+addresses["GATEWAY"],
		"POSSE_NATS="+nats["nats"], "POSSE_QUERY_NKEY="+seedFile(dir, "query"), "POSSE_POSTGRES="+p.postgres)
}

// startAnnex starts a gateway for the tenant "annex" alone. The specs stop it to
// see what the screen says of a gateway that does not answer.
func startAnnex(t *testing.T, dir, natsURL, recorder string, env ...string) []string {
	t.Helper()
	annex, _, err := spawn(dir, "annex", "posse", []string{"gateway"}, append(slices.Concat(anyPort, env),
		"POSSE_NATS="+natsURL, "POSSE_TENANT=annex", "POSSE_NAME=Annex", "POSSE_STALE_POLICY=fail_closed",
		"POSSE_JWKS="+recorder+"/.well-known/jwks.json"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = annex.end(syscall.SIGKILL) })
	return []string{fmt.Sprint("POSSE_ANNEX_PID=", annex.cmd.Process.Pid)}
}

func readAddresses(file string) (map[string]string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var addresses map[string]string
	err = json.Unmarshal(data, &addresses)
	return addresses, err
}
