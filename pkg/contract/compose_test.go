package contract_test

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

const root = "../.."

// roles are the services of docker-compose.yml that are posse itself.
var roles = []string{"gateway", "projector", "query", "recorder"}

// composeProject loads docker-compose.yml as `docker compose config` does, which
// also refuses unknown keys, undefined volumes and circular dependencies.
func composeProject(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")})
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestComposeHasEveryRole(t *testing.T) {
	t.Parallel()
	project := composeProject(t)
	wantSame(t, "services", project.ServiceNames(), append([]string{"nats", "postgres"}, roles...))
	for _, role := range roles {
		service := project.Services[role]
		if len(service.Command) != 1 || service.Command[0] != role {
			t.Errorf("service %s runs posse with %q", role, service.Command)
		}
		if service.Build == nil || service.Build.Dockerfile != "deployments/Dockerfile" {
			t.Errorf("service %s is not built from deployments/Dockerfile", role)
		}
		if !service.ReadOnly || !slices.Contains(service.CapDrop, "ALL") {
			t.Errorf("service %s may change its image or has capabilities", role)
		}
	}
}

func TestComposeStartsInOrder(t *testing.T) {
	t.Parallel()
	for name, service := range composeProject(t).Services {
		if service.HealthCheck == nil || len(service.HealthCheck.Test) == 0 {
			t.Errorf("service %s has no health check", name)
		}
		for other, dependency := range service.DependsOn {
			if dependency.Condition != types.ServiceConditionHealthy {
				t.Errorf("service %s waits until %s is %s, not until it is healthy", name, other, dependency.Condition)
			}
		}
	}
}

func TestComposePublishesToThisMachineOnly(t *testing.T) {
	t.Parallel()
	for name, service := range composeProject(t).Services {
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("service %s publishes port %s on %q", name, port.Published, port.HostIP)
			}
		}
	}
}

// TestComposeGivesEachRoleItsOwnKey holds the secrets of docker-compose.yml to the
// users of deployments/nats/accounts.conf.
func TestComposeGivesEachRoleItsOwnKey(t *testing.T) {
	t.Parallel()
	project := composeProject(t)
	accounts := readFile(t, "deployments", "nats", "accounts.conf")
	for _, role := range roles {
		var keys []string
		for _, secret := range project.Services[role].Secrets {
			if file := project.Secrets[secret.Source].File; strings.HasSuffix(file, ".nk") {
				keys = append(keys, filepath.Base(file))
				if got := project.Services[role].Environment["POSSE_NATS_NKEY"]; got == nil || *got != "/run/secrets/"+secret.Target {
					t.Errorf("service %s is not told that its key is at /run/secrets/%s", role, secret.Target)
				}
			}
		}
		wantSame(t, "keys of "+role, keys, []string{role + ".nk"})
		if !strings.Contains(accounts, "nkey: $"+strings.ToUpper(role)+"_KEY\n") {
			t.Errorf("accounts.conf has no user for %s", role)
		}
	}
	mounted := map[string]bool{}
	for _, volume := range project.Services["nats"].Volumes {
		mounted[volume.Target] = true
	}
	for _, file := range []string{"nats.conf", "accounts.conf", "accounts-keys.conf"} {
		if !mounted["/etc/nats/"+file] {
			t.Errorf("the service nats has no /etc/nats/%s", file)
		}
	}
}

// TestComposeSetsFlagsThatExist holds each role's environment to the flags that
// its command has, since an unknown variable would be ignored in silence.
func TestComposeSetsFlagsThatExist(t *testing.T) {
	t.Parallel()
	source := parseCommands(t)
	project := composeProject(t)
	for _, role := range roles {
		flags := source.flagsOf(role + "Command")
		for _, name := range slices.Sorted(maps.Keys(project.Services[role].Environment)) {
			flag, isFile := strings.CutSuffix(strings.TrimPrefix(name, "POSSE_"), "_FILE")
			kind, known := flags[strings.ReplaceAll(strings.ToLower(flag), "_", "-")]
			if !known || isFile && kind != "secret" {
				t.Errorf("service %s sets %s, which is the variable of no flag of posse %s", role, name, role)
			}
		}
	}
}
