package recorder_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posse-pos/posse/pkg/session"
	"github.com/posse-pos/posse/services/recorder"
)

func TestPoliciesOfTenantsStandOnTheDefault(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "policies.json")
	text := `{"default": {"absolute_lifetime": "240h", "max_sessions": 9},
		"tenants": {"north": {"idle_timeout": "30m", "max_sessions": 0}}}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := recorder.LoadPolicies(file)
	if err != nil {
		t.Fatal(err)
	}
	want := recorder.Policies{
		Default: session.Policy{AbsoluteLifetime: 240 * time.Hour, MaxSessions: 9},
		Tenants: map[string]session.Policy{"north": {AbsoluteLifetime: 240 * time.Hour, IdleTimeout: 30 * time.Minute}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got.Of("south") != want.Default || got.Of("north") != want.Tenants["north"] {
		t.Error("Of does not find them")
	}
}

func TestPoliciesThatAreRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``:                                "line 1",
		"{\n\"default\": {\n\"max\": 1}}": "line 3",
		"{\n\"default\": {\"max_sessions\": \"1\"}}": "line 2",
		"{\n\n}\nx":                                       "line 4",
		`{"default": {"max_sessions": -1}}`:               "default.max_sessions",
		`{"default": {"max_sessions": 1001}}`:             "default.max_sessions",
		`{"tenants": {"a": {"idle_timeout": "30"}}}`:      "tenants.a.idle_timeout",
		`{"tenants": {"a": {"idle_timeout": "-1s"}}}`:     "tenants.a.idle_timeout",
		`{"tenants": {"a": {"absolute_lifetime": "0s"}}}`: "tenants.a.absolute_lifetime",
		`{"tenants": {"": {}}}`:                           "tenant is empty",
	} {
		if _, err := recorder.ParsePolicies([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, want one that names %s", text, err, want)
		}
	}
	if _, err := recorder.LoadPolicies(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing file is no error")
	}
}
