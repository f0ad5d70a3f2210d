package query_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/services/query"
)

func TestChangesAreFollowed(t *testing.T) {
	t.Parallel()
	r := setup(t)
	position := r.shop()
	list := r.follow("admin", "")
	if e := r.next(list); e.name != "ready" || e.id != fmt.Sprintf("%d-0", position) {
		t.Fatalf("first event is %+v", e)
	}
	r.record(events.StreamSessions, r.revoked("shop", "carl", "carl-1"))
	r.announce("shop", "carl")
	r.announce("other", "zoe")
	e := r.next(list)
	if want := fmt.Sprintf(`{"users":["carl"],"position":%d,"touches":0}`, position+1); e.name != "changed" || e.data != want || e.id != fmt.Sprintf("%d-0", position+1) {
		t.Fatalf("event is %+v, want data %s", e, want)
	}
	r.announce("shop", "anna")
	if e := r.next(list); !strings.Contains(e.data, "anna") {
		t.Errorf("event is %+v: the other tenant's change came through?", e)
	}
}

func TestChangesResume(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	list := r.follow("admin", "")
	ready := r.next(list)
	for _, user := range []string{"one", "two", "three"} {
		r.record(events.StreamTouches, events.Touched{
			Key: events.Key{Tenant: "shop", User: "carl", Session: "carl-1"}, EventTimestamp: events.TimestampOf(r.now),
		})
		r.announce("shop", user)
	}
	var ids []string
	for range 3 {
		ids = append(ids, r.next(list).id)
	}
	again := r.follow("admin", ids[0])
	var got []string
	for e := r.next(again); e.name != "ready"; e = r.next(again) {
		got = append(got, e.data)
	}
	all := strings.Join(got, "\n")
	if !strings.Contains(all, "two") || !strings.Contains(all, "three") || strings.Contains(all, "reset") {
		t.Errorf("resumed after %s with %s", ids[0], all)
	}
	if e := r.next(r.follow("admin", ready.id)); e.name != "changed" {
		t.Errorf("resumed after ready with %+v", e)
	}
}

func TestResumeFromTooLongAgoIsAReset(t *testing.T) {
	t.Parallel()
	r := setup(t)
	position := r.shop()
	for i := range 200 {
		r.record(events.StreamSessions, r.login("shop", "carl", fmt.Sprintf("s%d", i)))
		r.announce("shop", "carl")
	}
	eventually(t, "all announcements are heard", func() bool {
		return r.next(r.follow("admin", fmt.Sprintf("%d-0", position))).name == "reset"
	})
	for _, id := range []string{fmt.Sprintf("%d-0", position), fmt.Sprintf("%d-0", position+100_000)} {
		e := r.next(r.follow("admin", id))
		if e.name != "reset" || e.id != fmt.Sprintf("%d-0", position+200) {
			t.Errorf("resumed after %s with %+v", id, e)
		}
	}
	if got := r.get("admin", "/v1/changes", "Last-Event-ID", "yesterday"); got.status != http.StatusUnprocessableEntity {
		t.Errorf("a bad id answered %d %s", got.status, got.raw)
	}
}

func TestUsersFollowOnlyThemselves(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	list := r.follow("user", "")
	r.next(list)
	r.announce("shop", "anna")
	r.announce("shop", "anna", "carl", "otto")
	if e := r.next(list); !strings.Contains(e.data, `"users":["carl"]`) {
		t.Errorf("carl hears %+v", e)
	}
	if got := r.get("backend", "/v1/changes"); got.status != http.StatusForbidden {
		t.Errorf("a backend follows: %d", got.status)
	}
}

func TestFollowingEndsWithTheSession(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	list := r.follow("user", "")
	r.next(list)
	r.callers.Revoke("user")
	if e := r.next(list); e.name != "end" {
		t.Fatalf("after the revocation comes %+v", e)
	}
	if e := r.next(list); e.name != "closed" {
		t.Fatalf("after the end comes %+v", e)
	}
	if got := r.get("user", "/v1/changes"); got.status != http.StatusUnauthorized {
		t.Errorf("coming back answers %d", got.status)
	}
}

func TestLostAnnouncementIsNoticed(t *testing.T) {
	t.Parallel()
	r := setup(t, func(c *query.Config) { c.PollEvery = 20 * time.Millisecond })
	position := r.shop()
	r.announce("shop", "carl")
	list := r.follow("admin", "")
	for e := r.next(list); e.name != "ready"; {
		e = r.next(list)
	}
	r.record(events.StreamSessions, r.revoked("shop", "carl", "carl-1"))
	for {
		e := r.next(list)
		if strings.Contains(e.data, fmt.Sprintf(`"all":true,"position":%d`, position+1)) {
			return
		}
	}
}

func TestWatchersAreBounded(t *testing.T) {
	t.Parallel()
	r := setup(t, func(c *query.Config) { c.MaxWatchers = 1 })
	r.shop()
	r.next(r.follow("admin", ""))
	got := r.get("admin", "/v1/changes")
	if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || !strings.Contains(got.raw, `"busy"`) {
		t.Errorf("one too many: %d %s", got.status, got.raw)
	}
}

// TestAWatcherThatReadsNothingHurtsNobody has one watcher leave its events on the line
// until it is cut off. The other hears of every change when it happens.
func TestAWatcherThatReadsNothingHurtsNobody(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	r := setup(t, func(c *query.Config) { c.Metrics = registry })
	r.shop()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(4096) // so that what the kernel holds for it is soon full
	}
	fmt.Fprint(conn, "GET /v1/changes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin\r\n\r\n")
	list := r.follow("admin", "")
	for e := r.next(list); e.name != "ready"; {
		e = r.next(list)
	}
	eventually(t, "both watch", func() bool { return gauge(t, registry, "posse_query_watchers") == 2 })
	many := make([]string, 100)
	for i := range many {
		many[i] = fmt.Sprintf("user-%d-%s", i, strings.Repeat("x", 100))
	}
	n := 0
	for ; gauge(t, registry, "posse_query_slow_watchers_total") == 0; n++ {
		if n == 10_000 {
			t.Fatal("100 MB of changes are kept for a watcher that reads nothing")
		}
		many[0] = fmt.Sprintf("change-%d", n)
		r.announce("shop", many...)
		if e := r.next(list); e.name != "changed" || !strings.Contains(e.data, many[0]) {
			t.Fatalf("after %d changes the other watcher hears %.100v", n, e)
		}
	}
	if e := gauge(t, registry, "posse_query_slow_watchers_total"); e != 1 {
		t.Errorf("%v watchers were cut off after %d changes, want one", e, n)
	}
	many[0] = "afterwards"
	r.announce("shop", many...)
	if e := r.next(list); !strings.Contains(e.data, many[0]) {
		t.Errorf("afterwards the other watcher hears %.100v", e)
	}
}

// gauge is the value of a metric without labels.
func gauge(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()[0].GetGauge().GetValue() + family.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

func TestHeartbeat(t *testing.T) {
	t.Parallel()
	r := setup(t, func(c *query.Config) { c.Heartbeat = 5 * time.Millisecond })
	ctx := r.Context()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/v1/changes", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer admin")
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var read strings.Builder
	buffer := make([]byte, 256)
	for !strings.Contains(read.String(), "\n:\n") {
		n, err := response.Body.Read(buffer)
		if err != nil {
			t.Fatalf("%v after %q", err, read.String())
		}
		read.Write(buffer[:n])
	}
	if !strings.HasPrefix(read.String(), "retry: 2000\n\n") {
		t.Errorf("stream begins with %q", read.String())
	}
}
