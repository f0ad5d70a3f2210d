package bus_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/natstest"
)

func TestSurveyAsksEverybody(t *testing.T) {
	t.Parallel()
	url := natstest.Start(t).URL()
	conn := connect(t, bus.Config{URL: url})
	for _, name := range []string{"one", "two"} {
		endpoint := bus.Endpoint{Name: "echo", Subject: "echo." + name, Handler: echo}
		serve(t, connect(t, bus.Config{URL: url}), bus.Service{Name: name, Version: "1.0.0", Endpoints: []bus.Endpoint{endpoint}})
	}
	for subject, want := range map[string]int{"$SRV.PING": 2, "$SRV.PING.two": 1, "$SRV.PING.three": 0} {
		answers, err := conn.Survey(t.Context(), subject, nil)
		if err != nil || len(answers) != want {
			t.Errorf("Survey on %s: %d answers, error %v, want %d", subject, len(answers), err, want)
		}
		if !slices.ContainsFunc(answers, func(a []byte) bool { return strings.Contains(string(a), `"two"`) }) && want > 0 {
			t.Errorf("Survey on %s: %q, want one of two", subject, answers)
		}
	}
	if server := conn.Server(); server.Version == "" || server.Cluster != "" {
		t.Errorf("Server: %+v, want a version and no cluster", server)
	}
}

func echo(_ context.Context, _ map[string]string, data []byte) ([]byte, error) { return data, nil }

func TestSurveyNamesTheRefusal(t *testing.T) {
	t.Parallel()
	const accounts = `authorization: { users: [ { user: a, password: b, permissions: { publish: ["x"] } } ] }`
	url := strings.Replace(natstest.Start(t, natstest.WithConfig(accounts)).URL(), "nats://", "nats://a:b@", 1)
	if _, err := connect(t, bus.Config{URL: url}).Survey(t.Context(), "y", nil); !errors.Is(err, bus.ErrDenied) {
		t.Errorf("Survey: %v, want ErrDenied", err)
	}
}
