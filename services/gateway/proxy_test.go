package gateway_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	sdk "github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/services/gateway"
)

func TestProxyTellsWhoIsAsking(t *testing.T) {
	t.Parallel()
	seen := make(chan *http.Request, 1)
	upstream := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen <- r })
	r := setup(t, upstream, func(c *gateway.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	})
	request := r.request(t, http.MethodGet, "/wp-json/products?page=2", nil)
	request.Host = "pos.example"
	for _, name := range []string{sdk.HeaderSession, sdk.HeaderUser, sdk.HeaderTenant} {
		request.Header[name] = []string{"forged", "twice"}
	}
	request.Header.Set("X-Forwarded-For", "203.0.113.9")
	request.Header.Set("X-Forwarded-Proto", "https")
	request.Header.Set("Connection", "X-Hop")
	request.Header.Set("X-Hop", "1")
	r.do(t, request)
	got := <-seen
	if got.URL.String() != "/wp-json/products?page=2" || got.Host != "pos.example" {
		t.Errorf("upstream saw %s at %s", got.URL, got.Host)
	}
	for name, want := range map[string]string{
		sdk.HeaderSession: "s1", sdk.HeaderUser: "anna", sdk.HeaderTenant: "shop",
		"X-Forwarded-For": "203.0.113.9, 127.0.0.1", "X-Forwarded-Proto": "https", "X-Hop": "",
	} {
		if values := got.Header.Values(name); strings.Join(values, "|") != want {
			t.Errorf("%s = %q, want %q", name, values, want)
		}
	}
	if got.Header.Get("Authorization") == "" {
		t.Error("the token is not passed on")
	}
}

func TestProxyDoesNotBelieveStrangers(t *testing.T) {
	t.Parallel()
	seen := make(chan http.Header, 1)
	r := setup(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header }), nil)
	request := r.request(t, http.MethodGet, "/", nil)
	request.Header.Set("X-Forwarded-For", "203.0.113.9")
	request.Header.Set("X-Forwarded-Proto", "https")
	r.do(t, request)
	got := <-seen
	if got.Get("X-Forwarded-For") != "127.0.0.1" || got.Get("X-Forwarded-Proto") != "http" {
		t.Errorf("upstream saw %q and %q", got.Get("X-Forwarded-For"), got.Get("X-Forwarded-Proto"))
	}
}

func TestProxyRefusesWithoutAskingTheUpstream(t *testing.T) {
	t.Parallel()
	r := setup(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the upstream was asked") }), nil)
	r.feed.Revoke("shop", "s1")
	got := r.do(t, r.request(t, http.MethodPost, "/orders", strings.NewReader("{}")))
	if got.code != http.StatusUnauthorized || !strings.Contains(got.body, `"reason":"session_revoked"`) {
		t.Errorf("%s %s", got.status, got.body)
	}
}

func TestProxyAnswersHead(t *testing.T) {
	t.Parallel()
	r := setup(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "12345")
		w.Header().Set("ETag", `"x"`)
	}), nil)
	got := r.do(t, r.request(t, http.MethodHead, "/image", nil))
	if got.code != http.StatusOK || got.length != 12345 || got.header.Get("ETag") != `"x"` || got.body != "" {
		t.Errorf("%s, length %d, %v, body %q", got.status, got.length, got.header, got.body)
	}
}

// TestProxyStreamsBodies sends more than any buffer holds, through an upstream
// that answers while it reads.
func TestProxyStreamsBodies(t *testing.T) {
	t.Parallel()
	r := setup(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		_, _ = io.Copy(w, r.Body)
	}), nil)
	sent, received := sha256.New(), sha256.New()
	source := io.TeeReader(io.LimitReader(rand.Reader, 32<<20), sent)
	answer, err := r.client.Do(r.request(t, http.MethodPut, "/backup", source))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	n, err := io.Copy(received, answer.Body)
	if err != nil || n != 32<<20 || !bytes.Equal(sent.Sum(nil), received.Sum(nil)) {
		t.Errorf("%d bytes came back (%v), the same: %v", n, err, bytes.Equal(sent.Sum(nil), received.Sum(nil)))
	}
}

func TestProxyWithoutUpstream(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	r := setup(t, nil, func(c *gateway.Config) { c.Upstream = mustParse(t, "http://"+address) })
	got := r.do(t, r.request(t, http.MethodGet, "/", nil))
	if got.code != http.StatusBadGateway || !strings.Contains(got.body, `"reason":"upstream_unavailable"`) {
		t.Errorf("%s %s", got.status, got.body)
	}
}

func TestProxyDoesNotWaitForever(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	r := setup(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-done }), func(c *gateway.Config) {
		c.UpstreamTimeout = 50 * time.Millisecond
	})
	defer close(done)
	got := r.do(t, r.request(t, http.MethodGet, "/", nil))
	if got.code != http.StatusGatewayTimeout || !strings.Contains(got.body, `"reason":"upstream_timeout"`) {
		t.Errorf("%s %s", got.status, got.body)
	}
}

// echo upgrades every request and sends back each line in capitals.
func echo(w http.ResponseWriter, _ *http.Request) {
	conn, both, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprint(both, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	for both.Flush() == nil {
		line, err := both.ReadString('\n')
		if err != nil {
			return
		}
		fmt.Fprint(both, strings.ToUpper(line))
	}
}

// upgrade opens an upgraded connection.
func (r *rig) upgrade(t *testing.T) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	request := r.request(t, http.MethodGet, "/socket", nil)
	request.Header.Set("Connection", "Upgrade")
	request.Header.Set("Upgrade", "websocket")
	if err := request.Write(conn); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close() // the connection stays: its bytes are not the body's
	if response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: %s", response.Status)
	}
	return conn, reader
}

func TestProxyEndsUpgradedConnectionOfRevokedSession(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	r := setup(t, http.HandlerFunc(echo), func(c *gateway.Config) { c.Metrics = registry })
	conn, reader := r.upgrade(t)
	fmt.Fprintln(conn, "hello")
	if line, err := reader.ReadString('\n'); err != nil || line != "HELLO\n" {
		t.Fatalf("echo: %q, %v", line, err)
	}
	if got := openStreams(t, registry); got != 1 {
		t.Errorf("open streams: %v", got)
	}
	r.feed.Revoke("shop", "another")
	fmt.Fprintln(conn, "still here")
	if line, err := reader.ReadString('\n'); err != nil || line != "STILL HERE\n" {
		t.Fatalf("after the revocation of another session: %q, %v", line, err)
	}
	r.feed.Revoke("shop", "s1")
	if line, err := reader.ReadString('\n'); err == nil {
		t.Errorf("the connection lives on: %q", line)
	}
	eventually(t, "stream is forgotten", func() bool { return openStreams(t, registry) == 0 })
}

func openStreams(t *testing.T, registry *prometheus.Registry) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "posse_gateway_open_streams" {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatal("no posse_gateway_open_streams")
	return 0
}

func TestProxyEndsEventStreamOfRevokedSession(t *testing.T) {
	t.Parallel()
	r := setup(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: hello\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}), nil)
	answer, err := r.client.Do(r.request(t, http.MethodGet, "/events", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	reader := bufio.NewReader(answer.Body)
	if line, err := reader.ReadString('\n'); err != nil || line != "data: hello\n" {
		t.Fatalf("%q, %v", line, err)
	}
	r.feed.Revoke("shop", "s1")
	if rest, err := io.ReadAll(reader); err == nil {
		t.Errorf("the stream ended as if it was complete: %q", rest)
	}
}

// TestProxyLetsRequestsFinish revokes while an ordinary request is with the
// upstream: whether it takes effect is no longer ours to say.
func TestProxyLetsRequestsFinish(t *testing.T) {
	t.Parallel()
	arrived, goOn := make(chan struct{}), make(chan struct{})
	r := setup(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-goOn
		w.Header().Set("Content-Length", "4")
		fmt.Fprint(w, "paid")
	}), nil)
	go func() {
		<-arrived
		r.feed.Revoke("shop", "s1")
		close(goOn)
	}()
	got := r.do(t, r.request(t, http.MethodPost, "/orders", strings.NewReader("{}")))
	if got.code != http.StatusOK || got.body != "paid" {
		t.Errorf("%s %q", got.status, got.body)
	}
}

// TestProxyStreamThatBeginsAfterTheRevocation is an upgrade that the upstream
// grants when the session is already revoked.
func TestProxyStreamThatBeginsAfterTheRevocation(t *testing.T) {
	t.Parallel()
	arrived, goOn := make(chan struct{}), make(chan struct{})
	r := setup(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-goOn
		echo(w, r)
	}), nil)
	go func() {
		<-arrived
		r.feed.Revoke("shop", "s1")
		close(goOn)
	}()
	request := r.request(t, http.MethodGet, "/socket", nil)
	request.Header.Set("Connection", "Upgrade")
	request.Header.Set("Upgrade", "websocket")
	got := r.do(t, request)
	if got.code != http.StatusUnauthorized || !strings.Contains(got.body, "session_revoked") {
		t.Errorf("%s %s", got.status, got.body)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	r := setup(t, nil, func(c *gateway.Config) { c.Metrics = registry })
	r.do(t, r.request(t, http.MethodGet, "/authz/forward-auth", nil))
	r.feed.Revoke("shop", "s1")
	r.do(t, r.request(t, http.MethodGet, "/authz/forward-auth", nil))
	want := `
# HELP posse_gateway_applied_position Position in POS_SESSIONS up to which every revocation is known.
# TYPE posse_gateway_applied_position gauge
posse_gateway_applied_position 1
# HELP posse_gateway_deny_set_entries Revoked sessions that are remembered.
# TYPE posse_gateway_deny_set_entries gauge
posse_gateway_deny_set_entries 1
# HELP posse_gateway_stale 1 while newer revocations may be missing.
# TYPE posse_gateway_stale gauge
posse_gateway_stale 0
`
	err := testutil.GatherAndCompare(registry, strings.NewReader(want),
		"posse_gateway_applied_position", "posse_gateway_deny_set_entries", "posse_gateway_stale")
	if err != nil {
		t.Error(err)
	}
	if n, err := testutil.GatherAndCount(registry, "posse_gateway_decisions_total"); err != nil || n != len(sdk.Reasons()) {
		t.Errorf("%d reasons in posse_gateway_decisions_total, want %d (%v)", n, len(sdk.Reasons()), err)
	}
}
