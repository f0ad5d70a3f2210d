package device_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ua-parser/uap-go/uaparser"

	"github.com/posse-pos/posse/pkg/device"
)

// agent is one block of testdata/agents.txt.
type agent struct {
	userAgent string
	declared  device.Declared
	want      device.Device
}

func readAgents(tb testing.TB) []agent {
	tb.Helper()
	text, err := os.ReadFile("testdata/agents.txt")
	if err != nil {
		tb.Fatal(err)
	}
	var agents []agent
	for block := range strings.SplitSeq(string(text), "\n\n") {
		if a, ok := readAgent(tb, block); ok {
			agents = append(agents, a)
		}
	}
	return agents
}

func readAgent(tb testing.TB, block string) (a agent, ok bool) {
	tb.Helper()
	a.declared.ClientHints = map[string]string{}
	for line := range strings.Lines(block) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		value = strings.TrimSpace(value)
		switch key {
		case "agent":
			a.userAgent = value
		case "platform":
			a.declared.Platform, a.declared.AppVersion, _ = strings.Cut(value, " ")
		case "hint":
			name, hint, _ := strings.Cut(value, ": ")
			a.declared.ClientHints[name] = hint
		case "want":
			a.want, ok = readWant(tb, value), true
		case "#", "":
		default:
			tb.Fatalf("testdata/agents.txt: a line begins with %q", key)
		}
	}
	return a, ok
}

func readWant(tb testing.TB, line string) device.Device {
	tb.Helper()
	f := strings.Split(line, " | ")
	if len(f) != 6 {
		tb.Fatalf("testdata/agents.txt: want has %d columns, not 6: %s", len(f), line)
	}
	for i := range f {
		f[i] = strings.TrimPrefix(f[i], "-")
	}
	return device.Device{
		Application: device.Application(f[0]),
		Browser:     f[1], BrowserVersion: f[2],
		OS: f[3], OSVersion: f[4],
		Type: device.Type(f[5]),
	}
}

func TestAgents(t *testing.T) {
	t.Parallel()
	parser := device.NewParser(0)
	for _, a := range readAgents(t) {
		t.Run(a.declared.Platform+" "+a.userAgent, func(t *testing.T) {
			t.Parallel()
			got := parser.Parse(a.declared, a.userAgent)
			if diff := cmp.Diff(a.want, got); diff != "" {
				t.Errorf("%+v\n%s\n(-want +got)\n%s", a.declared, a.userAgent, diff)
			}
			if again := parser.Parse(a.declared, a.userAgent); again != got {
				t.Errorf("from the cache: %+v, before: %+v", again, got)
			}
		})
	}
}

func TestVersionFollowsTheExpressions(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256(uaparser.DefinitionYaml)
	_, uap, _ := strings.Cut(device.Version, "+uap.")
	if want := hex.EncodeToString(sum[:4]); uap != want {
		t.Errorf("uap-go's expressions changed: set the end of device.Version to %s, it is %s", want, uap)
	}
}
