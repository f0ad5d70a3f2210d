package screen_test

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/posse-pos/posse/pkg/activesessions/pgstore"
	"github.com/posse-pos/posse/pkg/pgtest"
)

// TestHostileAddressesOnPostgreSQL is about what a database refuses and memory
// does not: characters that no text may have, and moments that no column has.
func TestHostileAddressesOnPostgreSQL(t *testing.T) {
	t.Parallel()
	store, err := pgstore.Open(t.Context(), pgstore.Config{URL: pgtest.New(t), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	r := setup(t)
	r.reader.Reader = store
	for path, want := range map[string]int{
		"/":         http.StatusOK,
		"/?q=a%00b": http.StatusOK, "/?q=%ff%fe": http.StatusOK, "/?q=%25_%5C%27%22": http.StatusOK, "/?q=%ed%a0%80": http.StatusOK,
		"/?user=a%00b": http.StatusNotFound, "/?user=%ff": http.StatusNotFound, "/?user=%27%20or%201=1--": http.StatusNotFound,
		"/?user=a%00b&view=history": http.StatusNotFound,
		"/end?user=a%00b&all=1":     http.StatusNotFound, "/end?user=anna&session=a%00b": http.StatusNotFound,
		"/avatar/a%00b":             http.StatusNotFound,
		"/?at=1970-01-01T00:00:01Z": http.StatusOK, "/?user=a%00b&at=2026-01-01T00:00:00Z": http.StatusNotFound,
		"/?after=a%00b": http.StatusUnprocessableEntity,
	} {
		if a := r.get("anna", path); a.Code != want {
			t.Errorf("%s is answered %d, want %d", path, a.Code, want)
		}
	}
	if a := r.post("anna", form("user", "anna", "session", "a\x00b")); a.Code != http.StatusNotFound {
		t.Errorf("a form is answered %d", a.Code)
	}
	if said := r.logged.errors(); len(said) != 0 {
		t.Errorf("a stranger's mistake is an error in the log: %q", said)
	}
}

func TestTheScreenOnPostgreSQL(t *testing.T) {
	t.Parallel()
	store, err := pgstore.Open(t.Context(), pgstore.Config{URL: pgtest.New(t), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	r := setup(t)
	r.store, r.reader.Reader = store, store
	r.shop()
	page := r.get("anna", "/?user=carl").want(http.StatusOK)
	equal(t, "users", usersOf(page), "anna", "carl", "otto")
	equal(t, "sessions", sessionsOf(page), "carl-1", "carl-2")
	pane := r.postInDialog("anna", form("user", "carl", "session", "carl-1")).want(http.StatusOK)
	equal(t, "sessions", sessionsOf(pane), "carl-2")
	r.clock.forward(time.Minute)
	then := r.get("anna", "/?user=carl&at=2026-11-20T14:04:00Z").want(http.StatusOK)
	equal(t, "sessions a minute before", sessionsOf(then), "carl-1", "carl-2")
}
