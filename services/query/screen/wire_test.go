package screen_test

import (
	"bufio"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/natstest"
	"github.com/posse-pos/posse/services/query/changes"
)

// TestAnAnnouncementReachesABrowser goes over NATS and HTTP.
func TestAnAnnouncementReachesABrowser(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	quiet := slog.New(slog.DiscardHandler)
	conn, err := bus.Connect(t.Context(), bus.Config{URL: natstest.Start(t).URL(), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	r.hub = changes.NewHub(changes.Config{Store: r.reader, Bus: conn, Logger: quiet})
	r.build()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.hub.Run(ctx) }()
	web := httptest.NewServer(r.handler)
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		web.Close()
	})
	for !r.hub.Ready() {
		<-time.After(time.Millisecond)
	}

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, web.URL+"/live?user=carl&since="+r.now(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Test-Who", "anna")
	request.Header.Set("Accept-Encoding", "gzip")
	response, err := web.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	same(t, "type", response.Header.Get("Content-Type"), "text/event-stream")
	same(t, "encoding", response.Header.Get("Content-Encoding"), "")

	r.signedIn(r.login("carl", "carl-3", till, 0))
	fresh := r.fresh()
	data, err := json.Marshal(events.Changed{Tenant: "shop", Users: []string{"carl"}, Position: fresh.Position})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Publish(events.ChangedSubject("shop"), data); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(response.Body)
	want := []string{":", "", "event: sessions", "data:", "", "event: users", "data:", ""}
	for _, line := range want {
		if !lines.Scan() || lines.Text() != line {
			t.Fatalf("line is %q, want %q: %v", lines.Text(), line, lines.Err())
		}
	}
}
