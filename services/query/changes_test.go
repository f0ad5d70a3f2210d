package query_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

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
