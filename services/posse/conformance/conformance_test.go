package conformance_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	sdk "github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/natstest"
	"github.com/posse-pos/posse/services/posse/conformance"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, natstest.Leaks()...) }

// abreast is how many gateways are examined at a time: they wait for most of it.
const abreast = 6

// faults are what a gateway can do wrong, with the rules that it breaks by each.
var faults = map[string]string{
	"skips causes it does not know":            "G2",
	"skips what it cannot read":                "G3",
	"admits before it knows anything":          "G4 G5", // a tick is the last thing that it has to know
	"is ready at the end of the stream":        "G5",
	"refuses three seconds late":               "G6",
	"knows sessions by their id alone":         "G7",
	"forgets when it reconnects":               "G8",
	"drops what comes too fast":                "G9",
	"takes silence for peace":                  "G10 G11",     // and old news for peace too
	"takes four times its bound":               "G10 G11 G12", // and what is as old for news
	"takes every tick for news":                "G11",
	"overlooks that a tick is late":            "G11",
	"signs everybody out while NATS is away":   "G12",
	"answers 503 to everybody while stale":     "G11 G13", // nor does it show then what it hears
	"misses what came while it was first away": "G14",
	"comes back eight seconds late":            "G14",
	"is dead after a restart":                  "G15 G8 G16", // as it is from then on
	"follows a new stream from its old place":  "G16",
	"takes a refresh token":                    "G18",
	"serves every tenant":                      "G19",
	"blames the token for missing keys":        "G20",
	"does not challenge":                       "G21",
	"does not say when to come again":          "G22",
	"believes what the client says it is":      "G23",
	"leaves streams open":                      "G24",
	"touches with every request":               "G25",
	"reports that it applied nothing":          "G26",
	"writes history":                           "G27",
}

// TestEachFaultIsFound examines gateways that keep the contract but for one fault, and
// one that has none. What is found has to be that fault and no other.
func TestEachFaultIsFound(t *testing.T) {
	t.Parallel()
	all := maps.Clone(faults)
	all[""] = ""
	find(t, all, false)
}

// TestSomeFaultsAreFound looks for some faults of all kinds, each by the rules that it
// breaks alone: that the test can fail is seen in seconds, and wherever all tests run.
func TestSomeFaultsAreFound(t *testing.T) {
	t.Parallel()
	some := map[string]string{}
	for _, fault := range []string{
		"is ready at the end of the stream", "refuses three seconds late", "drops what comes too fast", "takes silence for peace",
		"answers 503 to everybody while stale", "takes a refresh token", "writes history",
	} {
		some[fault] = faults[fault]
	}
	find(t, some, true)
}

// find examines a gateway with each fault, by all rules or by those that it breaks.
func find(t *testing.T, faults map[string]string, only bool) {
	t.Helper()
	var running sync.WaitGroup
	slots := make(chan struct{}, abreast)
	for fault, want := range faults {
		address := natstest.FreeAddress(t)
		var rules []string
		if only {
			rules = strings.Fields(want)
		}
		running.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			failed, report, err := examine(t.Context(), fault, address, rules)
			if got := strings.Join(failed, " "); got != sorted(want) || err != nil {
				t.Errorf("a gateway that %q breaks %q, want %q; %v\n%s", fault, got, sorted(want), err, report)
			}
		})
	}
	running.Wait()
}

// sorted brings rules into the order of the document.
func sorted(rules string) string {
	var all []string
	for _, rule := range conformance.Rules() {
		if slices.Contains(strings.Fields(rules), rule.ID) {
			all = append(all, rule.ID)
		}
	}
	return strings.Join(all, " ")
}

// examine examines a gateway with a fault by some rules; by all if there are none.
func examine(ctx context.Context, fault, address string, rules []string) (failed []string, report string, err error) {
	ctx, stop := context.WithCancel(ctx)
	wait := func() {}
	defer func() { stop(); wait() }()
	var out bytes.Buffer
	verdicts, err := conformance.Run(ctx, conformance.Config{
		URL: "http://" + address + "/", Policy: sdk.FailClosed, Only: rules, Out: &out,
		StaleAfter: 3 * time.Second, TickEvery: 300 * time.Millisecond, Patience: 12 * time.Second, Flood: 500,
		Start: func(_ context.Context, _ context.CancelCauseFunc, env []string) error {
			ended, err := startFake(ctx, fault, env)
			if err == nil {
				wait = ended
			}
			return err
		},
	})
	for _, v := range verdicts {
		if v.Outcome == conformance.Failed {
			failed = append(failed, v.Rule.ID)
		}
	}
	return failed, out.String(), err
}

func TestTheDocumentHasTheSameRules(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "gateway-contract.md"))
	if err != nil {
		t.Fatal(err)
	}
	var documented, examined []string
	for _, heading := range regexp.MustCompile(`(?m)^### (G\d+) (.+)$`).FindAllStringSubmatch(string(text), -1) {
		documented = append(documented, heading[1]+" "+heading[2])
	}
	for _, rule := range conformance.Rules() {
		examined = append(examined, rule.ID+" "+rule.Title)
	}
	if !slices.Equal(documented, examined) {
		t.Errorf("docs/gateway-contract.md has the rules\n%q, the command\n%q", documented, examined)
	}
}

func TestTheDocumentSaysHowEachRuleIsLookedAt(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "gateway-contract.md"))
	if err != nil {
		t.Fatal(err)
	}
	sections := regexp.MustCompile(`(?m)^### `).Split(string(text), -1)[1:]
	for i, rule := range conformance.Rules() {
		if i >= len(sections) {
			break // the other test says so
		}
		want := "*The test* "
		if rule.Unseen != "" {
			want = "*The test* does not look"
		}
		if !strings.Contains(sections[i], want) || rule.Unseen == "" && strings.Contains(sections[i], "does not look at this") {
			t.Errorf("%s does not have %q", rule.ID, want)
		}
	}
}

func TestRunRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	good := conformance.Config{
		URL: "http://127.0.0.1:1/", Policy: sdk.FailClosed, Out: &bytes.Buffer{},
		Start: func(context.Context, context.CancelCauseFunc, []string) error {
			return errors.New("must not be called")
		},
	}
	for want, change := range map[string]func(*conformance.Config){
		`"nowhere" is not the URL`:      func(c *conformance.Config) { c.URL = "nowhere" },
		`stale policy is required`:      func(c *conformance.Config) { c.Policy = sdk.StalePolicy{} },
		`no part "everything"`:          func(c *conformance.Config) { c.Without = []string{"everything"} },
		`no rule "G99"`:                 func(c *conformance.Config) { c.Only = []string{"G99"} },
		`G1 cannot be looked at`:        func(c *conformance.Config) { c.Only = []string{"G1"} },
		`at least two ticks`:            func(c *conformance.Config) { c.StaleAfter = time.Second },
		`100 revocations or more`:       func(c *conformance.Config) { c.Flood = 1 },
		`NATS cannot be offered on "x"`: func(c *conformance.Config) { c.NATS = "x" },
	} {
		config := good
		change(&config)
		if _, err := conformance.Run(t.Context(), config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Run = %v, want %q", err, want)
		}
	}
}

func TestAGatewayThatNeverComes(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	verdicts, err := conformance.Run(t.Context(), conformance.Config{
		URL: "http://" + natstest.FreeAddress(t) + "/", Policy: sdk.FailClosed, Out: &out, StartWithin: 50 * time.Millisecond,
		Start: func(context.Context, context.CancelCauseFunc, []string) error { return nil },
	})
	if err == nil || !strings.Contains(err.Error(), "none connects to NATS") || len(verdicts) != 0 {
		t.Errorf("Run = %v, %v", verdicts, err)
	}
}

func TestAGatewayThatEnds(t *testing.T) {
	t.Parallel()
	gone := errors.New("the gateway ended")
	_, err := conformance.Run(t.Context(), conformance.Config{
		URL: "http://" + natstest.FreeAddress(t) + "/", Policy: sdk.FailClosed, Out: &bytes.Buffer{},
		Start: func(_ context.Context, cancel context.CancelCauseFunc, _ []string) error { cancel(gone); return nil },
	})
	if !errors.Is(err, gone) {
		t.Errorf("Run = %v, want %v", err, gone)
	}
}
