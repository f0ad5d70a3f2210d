package process_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/posse-pos/posse/pkg/process"
)

// serve runs a handler and returns its URL and what ends it.
func serve(t *testing.T, handler http.Handler) (url string, stop func() error) {
	t.Helper()
	listener, err := process.Listen(t.Context(), "api", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	server := process.HTTPServer{Name: "api", Listener: listener, Handler: handler, Logger: slog.New(slog.DiscardHandler)}
	go func() { result <- server.Serve(ctx) }()
	return process.URL("http", listener), func() error {
		cancel()
		return <-result
	}
}

func get(t *testing.T, url string) (status int, body io.Reader) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response.StatusCode, response.Body
}

func TestHTTPServerLetsRequestsFinish(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	url, stop := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-release
		if r.Context().Err() == nil {
			_, _ = io.WriteString(w, "done")
		}
	}))
	ended := make(chan error, 1)
	go func() {
		<-entered
		go func() { ended <- stop() }()
		close(release)
	}()
	_, answer := get(t, url)
	body, err := io.ReadAll(answer)
	if err != nil || string(body) != "done" {
		t.Errorf("the request in flight got %q, %v", body, err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve = %v", err)
	}
}

func TestHTTPServerEndsStreams(t *testing.T) {
	t.Parallel()
	url, stop := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "hello\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	_, answer := get(t, url)
	stream := bufio.NewReader(answer)
	if line, err := stream.ReadString('\n'); line != "hello\n" {
		t.Fatalf("the stream began with %q, %v", line, err)
	}
	if err := stop(); err != nil {
		t.Errorf("Serve = %v", err)
	}
	if _, err := stream.ReadString('\n'); err == nil {
		t.Error("the stream goes on after the server ended")
	}
}

func TestAdmin(t *testing.T) {
	t.Parallel()
	var readiness process.Readiness
	reason := make(chan error, 1)
	reason <- errors.New("has read 12 of 40 events")
	readiness.Add("projector", func() error {
		select {
		case err := <-reason:
			return err
		default:
			return nil
		}
	})
	url, stop := serve(t, process.AdminHandler(process.NewRegistry(), &readiness))
	for _, want := range []struct {
		path   string
		status int
		text   string
	}{
		{"/livez", 200, "ok"},
		{"/readyz", 503, `"projector":"has read 12 of 40 events"`},
		{"/readyz", 200, `{"ready":true}`},
		{"/metrics", 200, "go_goroutines"},
		{"/else", 404, ""},
	} {
		status, answer := get(t, url+want.path)
		body, err := io.ReadAll(answer)
		if err != nil || status != want.status || !strings.Contains(string(body), want.text) {
			t.Errorf("GET %s = %d %.200s %v, want %d with %s", want.path, status, body, err, want.status, want.text)
		}
	}
	if err := stop(); err != nil {
		t.Errorf("Serve = %v", err)
	}
}

func TestListenSaysWhatItCouldNotDo(t *testing.T) {
	t.Parallel()
	_, err := process.Listen(t.Context(), "admin", "127.0.0.1:notaport")
	if err == nil || !strings.Contains(err.Error(), `admin cannot listen on "127.0.0.1:notaport"`) {
		t.Errorf("Listen = %v", err)
	}
}

func TestURLOfAllAddresses(t *testing.T) {
	t.Parallel()
	listener, err := process.Listen(t.Context(), "api", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if url := process.URL("http", listener); !strings.HasPrefix(url, "http://localhost:") {
		t.Errorf("URL = %q", url)
	}
}

func TestAnnouncement(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ready.json")
	if err := (process.Announcement{"api": "http://127.0.0.1:1"}).Write(file); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	var read process.Announcement
	if err != nil || json.Unmarshal(data, &read) != nil || read["api"] != "http://127.0.0.1:1" {
		t.Errorf("announcement reads %s, %v", data, err)
	}
	if entries, err := os.ReadDir(filepath.Dir(file)); err != nil || len(entries) != 1 {
		t.Errorf("left beside the announcement: %v, %v", entries, err)
	}
}

func TestNewLogger(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	logger, err := process.NewLogger(&out, "warn")
	if err != nil {
		t.Fatal(err)
	}
	logger.InfoContext(t.Context(), "not this")
	logger.WarnContext(t.Context(), "but this")
	if text := out.String(); strings.Contains(text, "not this") || !strings.Contains(text, `"msg":"but this"`) {
		t.Errorf("log = %s", text)
	}
	if _, err := process.NewLogger(&out, "loud"); err == nil || !strings.Contains(err.Error(), `"loud"`) {
		t.Errorf("NewLogger(loud) = %v", err)
	}
}
