package contract_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sdkPackages is how many packages the SDK may bring into a vendor's program,
// itself included and the standard library not.
const sdkPackages = 60

// strangers are what a vendor's program never gets from the SDK, by the beginnings
// of their import paths.
var strangers = []string{
	"github.com/ThreeDotsLabs/",
	"github.com/danielgtaylor/huma",
	"github.com/go-chi/",
	"github.com/jackc/",
	"github.com/nats-io/nats-server",
	"google.golang.org/",
	"github.com/posse-pos/posse/services",
}

// sdkDependencies lists what the packages of the SDK import, those for users' tests
// too, as the SDK's module has it by itself.
func sdkDependencies(t *testing.T) []string {
	t.Helper()
	var failure strings.Builder
	command := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "./...")
	command.Dir, command.Stderr = filepath.Join(root, "pkg", "gateway"), &failure
	command.Env = append(os.Environ(), "GOWORK=off")
	output, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, failure.String())
	}
	return strings.Fields(string(output))
}

func TestSDKBringsLittleAlong(t *testing.T) {
	t.Parallel()
	packages := sdkDependencies(t)
	if !slices.Contains(packages, "github.com/nats-io/nats.go") {
		t.Fatalf("the SDK does not even import nats.go, so the list is not its own: %q", packages)
	}
	if len(packages) >= sdkPackages {
		t.Errorf("the SDK brings %d packages along, which is not under %d:\n%s", len(packages), sdkPackages, strings.Join(packages, "\n"))
	}
	for _, path := range packages {
		for _, stranger := range strangers {
			if strings.HasPrefix(path, stranger) {
				t.Errorf("the SDK brings %s along: move what needs it out of pkg/gateway", path)
			}
		}
	}
}
