package query_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/fleet"
	"github.com/posse-pos/posse/services/query"
)

// recorder carries out what ends sessions, and remembers who asked.
type recorder struct {
	commands.Commander

	asked chan commands.EndSession
}

func (r *recorder) EndSession(_ context.Context, command commands.EndSession) (commands.Ended, error) {
	r.asked <- command
	return commands.Ended{Ended: 1, Position: 42, Sessions: []string{command.Session}}, nil
}

// process is query.Run with everything that it needs around it.
func (r *rig) process(ender commands.Ender, gateways *fleet.Tracker) (url string) {
	r.Helper()
	listener, err := (&net.ListenConfig{}).Listen(r.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		r.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	config := query.Config{
		Store: r.store, Bus: r.bus, Ender: ender, Authenticator: r.callers,
		Listener: listener, Logger: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	}
	if gateways != nil {
		config.Gateways, config.Confirmations = gateways, gateways
	}
	go func() { ended <- query.Run(ctx, config) }()
	r.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			r.Errorf("Run ended with %v", err)
		}
	})
	return "http://" + listener.Addr().String()
}

func TestTerminateTakesTheWayOverNATSAndWaitsForTheGateways(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	record := &recorder{asked: make(chan commands.EndSession, 1)}
	r.serveCommands(record)
	gateways, err := fleet.Track(t.Context(), r.bus, fleet.Config{Settle: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(gateways.Close)
	r.report(events.GatewayStatus{Gateway: "g1", Name: "till 1", Applied: 41, Interval: 5})
	r.report(events.GatewayStatus{Gateway: "g2", Name: "till 2", Applied: 7, Interval: 5})
	r.report(events.GatewayStatus{Gateway: "g3", Tenant: "other", Interval: 5})
	eventually(t, "the gateways are known", func() bool { return len(gateways.Gateways("shop")) == 2 })

	url := r.process(commands.NewClient(r.bus, 0), gateways)
	go func() {
		command := <-record.asked
		if command.Caller.Principal.User != "anna" || command.Session != "carl-1" || command.Caller.IP != "127.0.0.1" {
			t.Errorf("the recorder was asked %+v", command)
		}
		r.report(events.GatewayStatus{Gateway: "g1", Name: "till 1", Applied: 42, Interval: 5})
	}()
	status, body := r.send(http.MethodDelete, url+"/v1/sessions/carl-1?wait=gateways&timeout=0.3", "admin")
	if status != http.StatusOK {
		t.Fatalf("answer %d %s", status, body)
	}
	for _, part := range []string{`"position":42`, `"total":2`, `"confirmed":[{"gateway":"g1"`, `"missing":[{"gateway":"g2","name":"till 2"}]`} {
		if !strings.Contains(body, part) {
			t.Errorf("answer has no %s: %s", part, body)
		}
	}
	if status, body := r.send(http.MethodGet, url+"/v1/gateways", "admin"); status != http.StatusOK ||
		!strings.Contains(body, "till 1") || strings.Contains(body, "g3") {
		t.Errorf("gateways: %d %s", status, body)
	}
}

func TestTerminateWithoutARecorderSaysSo(t *testing.T) {
	t.Parallel()
	r := setup(t)
	url := r.process(commands.NewClient(r.bus, time.Second), nil)
	status, body := r.send(http.MethodDelete, url+"/v1/sessions/carl-1", "admin")
	if status != http.StatusServiceUnavailable || !strings.Contains(body, `"unavailable"`) {
		t.Errorf("answer %d %s", status, body)
	}
}

func TestOpenAPIDescribesEveryRoute(t *testing.T) {
	t.Parallel()
	r := setup(t)
	url := r.process(commands.NewClient(r.bus, 0), nil)
	_, body := r.send(http.MethodGet, url+"/openapi.json", "")
	for _, route := range []string{
		"/v1/me", "/v1/users", "/v1/users/{user}/sessions", "/v1/sessions/{session}", "/v1/gateways", "/v1/changes",
		"text/event-stream", "Posse-Position",
	} {
		if !strings.Contains(body, `"`+route+`"`) {
			t.Errorf("the OpenAPI document does not mention %s", route)
		}
	}
}

func (r *rig) serveCommands(c commands.Commander) {
	r.Helper()
	conn, err := bus.Connect(r.Context(), bus.Config{URL: r.server.URL(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		r.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- conn.Serve(ctx, commands.Service("1.0.0", c, slog.New(slog.DiscardHandler))) }()
	r.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			r.Errorf("commands ended with %v", err)
		}
		conn.Close()
	})
	eventually(r.T, "the recorder answers", func() bool {
		_, err := commands.NewClient(r.bus, time.Second).EndUser(r.Context(), commands.EndUser{})
		return err == nil || !strings.Contains(err.Error(), "no recorder")
	})
}

func (r *recorder) EndUser(context.Context, commands.EndUser) (commands.Ended, error) {
	return commands.Ended{}, nil
}

func (r *rig) report(status events.GatewayStatus) {
	data, err := json.Marshal(status)
	if err == nil {
		err = r.bus.Publish(events.GatewayStatusSubject(status.Gateway), data)
	}
	if err != nil {
		r.Error(err)
	}
}

func (r *rig) send(method, url, bearer string) (status int, body string) {
	r.Helper()
	request, err := http.NewRequestWithContext(r.Context(), method, url, http.NoBody)
	if err != nil {
		r.Fatal(err)
	}
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		r.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		r.Fatal(err)
	}
	return response.StatusCode, string(data)
}
