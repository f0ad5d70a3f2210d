package contract_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestVulnerabilitiesAreLookedFor runs .ci/vulnerabilities with a govulncheck that says
// what the real one says: a database that is away is skipped with one notice, and
// whatever else goes wrong fails.
func TestVulnerabilitiesAreLookedFor(t *testing.T) {
	t.Parallel()
	script, err := filepath.Abs(filepath.Join(root, ".ci", "vulnerabilities"))
	fake, fakeErr := filepath.Abs(filepath.Join("testdata", "govulncheck"))
	if err := errors.Join(err, fakeErr); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	const fetching = "govulncheck: fetching vulnerabilities: "
	for name, test := range map[string]struct {
		says   string
		exit   int
		fails  bool
		notice int // how often it says that nothing was looked for
	}{
		"nothing is found":      {"No vulnerabilities found.", 0, false, 0},
		"no name":               {fetching + `Get "https://vuln.go.dev/index/modules.json.gz": dial tcp: lookup vuln.go.dev: no such host`, 1, false, 1},
		"a proxy in between":    {fetching + "HTTP GET https://vuln.go.dev/index/modules.json.gz returned unexpected status: 403 Forbidden", 1, false, 1},
		"a finding":             {"Vulnerability #1: GO-2026-0001", 3, true, 0},
		"it does not build":     {"govulncheck: loading packages: There are errors with the provided package patterns", 1, true, 0},
		"another database":      {fetching + `Get "https://elsewhere.example/index/modules.json.gz": EOF`, 1, true, 0},
		"what is not there":     {fetching + "HTTP GET https://vuln.go.dev/ID/GO-1.json.gz returned unexpected status: 404 Not Found", 1, true, 0},
		"words of the database": {"Vulnerability #1: fetching vulnerabilities: Get \"https://vuln.go.dev/", 3, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			command := exec.CommandContext(t.Context(), script, fake, dir, dir)
			command.Env = append(os.Environ(), "VULNDB=", "SAYS="+test.says, fmt.Sprintf("EXITS=%d", test.exit))
			said, err := command.CombinedOutput()
			if (err != nil) != test.fails {
				t.Errorf("it ends with %v: %s", err, said)
			}
			if n := strings.Count(string(said), "vulnerabilities were not looked for"); n != test.notice {
				t.Errorf("it says %d times that nothing was looked for: %s", n, said)
			}
			if test.fails && !strings.Contains(string(said), test.says) {
				t.Errorf("it does not say what was found: %s", said)
			}
		})
	}
}
