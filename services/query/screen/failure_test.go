package screen_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/posse-pos/posse/services/query/screen"
)

func TestAStoreThatIsAwayIsSaidToBe(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.reader.change(func() { r.reader.fails = errAway })
	for _, path := range []string{"/", "/?user=carl", "/?user=carl&view=history", "/end?user=carl&all=1"} {
		a := r.get("anna", path)
		page := a.want(http.StatusServiceUnavailable)
		contains(t, path, page.one("[role=alert]").says(), "Not available at the moment")
		contains(t, path+": request", page.one("[role=alert] code").says(), "one")
		same(t, path+": retry", page.one("[role=alert] a").attr["href"], path)
		if a.Header().Get("Retry-After") == "" || strings.Contains(a.body(), errAway.Error()) {
			t.Errorf("%s: answer is %v", path, a.Header())
		}
	}
	if len(r.logged.errors()) == 0 {
		t.Error("nobody hears of it")
	}
}

func TestAPaneOfAStoreThatIsAwaySaysSoInItsPlace(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.reader.change(func() { r.reader.fails = errAway })
	for _, test := range []struct{ target, path, retry string }{
		{"section#sessions", "/?user=carl", "/?user=carl"},
		{"div#user-list-pane", "/users?q=a", "/users?q=a"},
		{"li#more-item", "/users?after=x", "/users?after=x"},
	} {
		a := r.pane("anna", test.target, test.path)
		pane := a.want(http.StatusServiceUnavailable)
		_, id, _ := strings.Cut(test.target, "#")
		if pane.count("#"+id+" [role=alert]") != 1 || pane.count("html") != 0 || a.Header().Get("Retry-After") == "" {
			t.Errorf("%s is no notice in its place: %s", test.path, a.body())
		}
		same(t, test.path, pane.one("[role=alert] a").attr["href"], test.retry)
	}
	dialog := r.pane("anna", "div#dialog-body", "/end?user=carl&all=1").want(http.StatusServiceUnavailable)
	if dialog.count("h2#dialog-title") != 1 || dialog.count("button[data-close]") != 1 {
		t.Error("the dialog has no title or cannot be closed")
	}
}

func TestARefreshOfAStoreThatIsAwayFails(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.reader.change(func() { r.reader.fails = errAway })
	r.pane("anna", "section#sessions", "/?user=carl&refresh=3").want(http.StatusServiceUnavailable)
	r.pane("anna", "div#user-list-pane", "/users?refresh=3&rows=50").want(http.StatusServiceUnavailable)
	if a := r.get("anna", "/live"); a.Code != http.StatusServiceUnavailable || a.Header().Get("Retry-After") == "" {
		t.Errorf("a stream is answered %d %v", a.Code, a.Header())
	}
}

// within makes a request that somebody waits for only so long.
func (r *rig) within(d time.Duration, path string) answer {
	ctx, cancel := context.WithTimeout(r.Context(), d)
	defer cancel()
	return r.under(ctx, path)
}

func (r *rig) under(ctx context.Context, path string) answer {
	request := httptest.NewRequestWithContext(ctx, http.MethodGet, path, http.NoBody)
	request.Header.Set("X-Test-Who", "anna")
	recorder := httptest.NewRecorder()
	r.handler.ServeHTTP(recorder, request)
	return answer{recorder, r}
}

func TestAStoreThatTakesTooLong(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.shop()
		r.reader.change(func() { r.reader.stall = true })
		page := r.within(time.Second, "/?user=carl").want(http.StatusServiceUnavailable)
		contains(r.T, "page", page.one("[role=alert]").says(), "Not available at the moment")
	})
}

func TestNobodyIsAnsweredWhoHasGone(t *testing.T) {
	t.Parallel()
	statuses := make(chan int, 1)
	r := setup(t, observing(func(_ string, status int) { statuses <- status }))
	r.shop()
	r.reader.change(func() { r.reader.stall = true })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if a := r.under(ctx, "/"); a.Body.Len() != 0 {
		t.Errorf("answer %d %s", a.Code, a.body())
	}
	if status := <-statuses; status != 499 {
		t.Errorf("it was observed as %d", status)
	}
	if len(r.logged.errors()) != 0 {
		t.Errorf("somebody who closed a page is an error in the log: %q", r.logged.errors())
	}
}

func TestWhoIsWatchedIsCountedByWhoeverObserves(t *testing.T) {
	t.Parallel()
	var operations []string
	r := setup(t, func(c *screen.Config) {
		c.Observe = func(operation string, status int, took time.Duration) {
			if status == http.StatusOK && took > 0 {
				operations = append(operations, operation)
			}
		}
	})
	r.shop()
	r.get("anna", "/")
	r.pane("anna", "section#sessions", "/?user=carl")
	equal(t, "operations", operations, "screen-page", "screen-page")
}
