package contract_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"go.yaml.in/yaml/v4"
)

func readFile(t *testing.T, path ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(append([]string{root}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestImageHasNothingButPosse(t *testing.T) {
	t.Parallel()
	dockerfile := readFile(t, "deployments", "Dockerfile")
	final := dockerfile[strings.LastIndex(dockerfile, "\nFROM "):]
	for what, pattern := range map[string]string{
		"an empty base":                    `^\nFROM scratch\n`,
		"a user who is not root":           `\nUSER [1-9]\d*:[1-9]\d*\n`,
		"posse's health check":             `HEALTHCHECK .*CMD \["/posse", "healthcheck"\]`,
		"posse as its entry point":         `\nENTRYPOINT \["/posse"\]\n`,
		"certificates to trust JWKS hosts": `ca-certificates\.crt`,
	} {
		if !regexp.MustCompile(pattern).MatchString(final) {
			t.Errorf("the image of deployments/Dockerfile does not have %s", what)
		}
	}
}

func TestImageIsBuiltFromEveryModule(t *testing.T) {
	t.Parallel()
	dockerfile := readFile(t, "deployments", "Dockerfile")
	for _, module := range regexp.MustCompile(`(?m)^\t\./(\S+)$`).FindAllStringSubmatch(readFile(t, "go.work"), -1) {
		if !strings.Contains(dockerfile, "COPY "+module[1]+"/go.mod ") {
			t.Errorf("deployments/Dockerfile does not copy the module %s of go.work", module[1])
		}
	}
}

func TestNATSKeepsWhatItAcknowledges(t *testing.T) {
	t.Parallel()
	// Who may do what is for the tests of services/posse/natsusers, which make keys.
	text, _, found := strings.Cut(readFile(t, "deployments", "nats", "nats.conf"), "\ninclude accounts.conf\n")
	options := &server.Options{}
	if err := options.ProcessConfigString(text); err != nil || !found {
		t.Fatalf("nats.conf includes accounts.conf: %t, %v", found, err)
	}
	if !options.JetStream || !options.SyncAlways {
		t.Errorf("jetstream %t, sync always %t: an acknowledged login may be lost", options.JetStream, options.SyncAlways)
	}
	for _, volume := range composeProject(t).Services["nats"].Volumes {
		if volume.Type == "volume" && volume.Target == options.StoreDir {
			return
		}
	}
	t.Errorf("store_dir %q is on no volume", options.StoreDir)
}

func TestPrometheusScrapesEveryRole(t *testing.T) {
	t.Parallel()
	var config struct {
		Scrape []struct {
			DNS []struct {
				Names []string
				Port  string
			} `yaml:"dns_sd_configs"` //nolint:tagliatelle // Prometheus' word
		} `yaml:"scrape_configs"` //nolint:tagliatelle // Prometheus' word
	}
	if err := yaml.Unmarshal([]byte(readFile(t, "deployments", "prometheus", "prometheus.yml")), &config); err != nil {
		t.Fatal(err)
	}
	targets := config.Scrape[0].DNS[0]
	wantSame(t, "targets", targets.Names, roles)
	for _, role := range roles {
		if admin := composeProject(t).Services[role].Environment["POSSE_ADMIN_LISTEN"]; admin == nil || *admin != ":"+targets.Port {
			t.Errorf("%s is scraped on port %s and listens elsewhere", role, targets.Port)
		}
	}
}
