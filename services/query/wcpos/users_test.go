package wcpos_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/services/query/wcpos"
)

// tape is a response writer that notes what happens, among what the test adds,
// in order. Writes between two notes are one.
type tape struct {
	header   http.Header
	status   int
	body     bytes.Buffer
	notes    []string
	unsent   int // bytes since the last flush
	mostKept int // the most that were
	deadline time.Time
	full     int // bytes after which the client hangs up; 0: never
}

func newTape(r *rig) *tape {
	w := &tape{header: http.Header{}, status: http.StatusOK}
	if r != nil {
		r.store.read = func(question string, rows int) { w.note(question + " " + strconv.Itoa(rows)) }
	}
	return w
}

func (w *tape) note(what string) {
	if n := len(w.notes); n == 0 || what != "write" || w.notes[n-1] != what {
		w.notes = append(w.notes, what)
	}
}

func (w *tape) Header() http.Header { return w.header }

func (w *tape) WriteHeader(status int) { w.status = status }

func (w *tape) Write(p []byte) (int, error) {
	w.note("write")
	if w.full > 0 && w.body.Len() > w.full {
		return 0, io.ErrClosedPipe
	}
	w.unsent += len(p)
	w.mostKept = max(w.mostKept, w.unsent)
	return w.body.Write(p)
}

func (w *tape) FlushError() error {
	w.note("flush")
	w.unsent = 0
	return nil
}

func (w *tape) SetWriteDeadline(t time.Time) error {
	w.deadline = t
	return nil
}

func (w *tape) SetReadDeadline(time.Time) error { return nil }

// crowd signs users in, the first of them last, with as many sessions each.
func (r *rig) crowd(users, sessions int) {
	facts := make([]events.Event, 0, users*sessions)
	for user := users; user > 0; user-- {
		for n := range sessions {
			ago := time.Duration(user)*time.Second + time.Duration(n)*time.Millisecond
			id := fmt.Sprintf("%08d-0000-4000-8000-%012d", user, n)
			facts = append(facts, login("shop", strconv.Itoa(user), id, ago, "WCPOS/1.8.1 (ios; build 231)", "192.0.2.1"))
		}
	}
	r.store.record(facts...)
}

// Ten thousand users are read and written a page at a time: at no moment is more
// than a page in memory, however many there are.
func TestTheListIsStreamed(t *testing.T) {
	t.Parallel()
	const users = 10_000
	r := setup(t)
	r.crowd(users, 2)
	w := newTape(r)
	r.handler.ServeHTTP(w, request{path: v1 + "/users/sessions", bearer: "admin"}.build(t))

	var want []string
	for range users / 500 {
		want = append(want, "users 500", "sessions of 1000", "write", "flush")
	}
	want = append(want, "write", "flush") // the total
	if diff := cmp.Diff(want, w.notes); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if pages := w.body.Len() / w.mostKept; pages < 18 {
		t.Errorf("%d bytes of %d waited to be sent", w.mostKept, w.body.Len())
	}
	if !w.deadline.IsZero() {
		t.Error("the connection keeps a deadline for the next request")
	}
	if total, limit := w.header.Get("X-Wp-Total"), w.header.Get("Posse-Limit"); total != "10000" || limit != "" {
		t.Errorf("X-WP-Total is %q, Posse-Limit %q", total, limit)
	}
	checkCrowd(t, w.body.Bytes(), users, users)
}

// checkCrowd looks for the first users of a crowd in an answer.
func checkCrowd(t *testing.T, body []byte, listed, total int) {
	t.Helper()
	var answer whoIs
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Users) != listed || answer.Total != total {
		t.Fatalf("%d users of %d, want %d of %d", len(answer.Users), answer.Total, listed, total)
	}
	for i, u := range answer.Users {
		if string(u.UserID) != strconv.Itoa(i+1) || len(u.Sessions) == 0 {
			t.Fatalf("number %d is %s with %d sessions", i+1, u.UserID, len(u.Sessions))
		}
	}
}

// Users with very many sessions share no page.
func TestManySessionsAreReadInParts(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.crowd(7, 900)
	w := newTape(r)
	r.handler.ServeHTTP(w, request{path: v1 + "/users/sessions", bearer: "admin"}.build(t))
	want := []string{
		"users 7",
		"sessions of 1800", "write", "flush",
		"sessions of 1800", "write", "flush",
		"sessions of 1800", "write", "flush",
		"sessions of 900", "write", "flush",
		"write", "flush",
	}
	if diff := cmp.Diff(want, w.notes); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	checkCrowd(t, w.body.Bytes(), 7, 7)
}

func TestTheListIsLimited(t *testing.T) {
	t.Parallel()
	for limit, row := range map[int]struct {
		listed int
		header string
	}{
		1: {1, "1"}, 499: {499, "499"}, 500: {500, "500"}, 501: {501, "501"}, 1199: {1199, "1199"},
		1200: {1200, ""}, 1201: {1200, ""}, 0: {1200, ""},
	} {
		r := setup(t, func(c *wcpos.Config) { c.MaxUsers = limit })
		r.crowd(1200, 1)
		got := r.do(request{path: v1 + "/users/sessions", bearer: "admin"})
		checkCrowd(t, got.Body.Bytes(), row.listed, 1200)
		if total, header := got.Header().Get("X-Wp-Total"), got.Header().Get("Posse-Limit"); total != "1200" || header != row.header {
			t.Errorf("limited to %d, X-WP-Total is %q, Posse-Limit %q", limit, total, header)
		}
	}
}

func TestNobodyIsSignedIn(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.answers(request{path: v1 + "/users/sessions", bearer: "admin"}, 200, "users_none.json")
}

// Who signs out between two reads is left out, as by the plugin.
func TestSomebodySignsOutMeanwhile(t *testing.T) {
	t.Parallel()
	for name, gone := range map[string][]string{"one of many": {"2"}, "all of them": {"1", "2", "3"}} {
		r := setup(t)
		r.crowd(3, 1)
		w := newTape(r)
		r.store.read = func(question string, _ int) {
			for _, user := range gone {
				if question == "users" {
					r.store.record(revoked("shop", user, fmt.Sprintf("%08s-0000-4000-8000-%012d", user, 0)))
				}
			}
		}
		r.handler.ServeHTTP(w, request{path: v1 + "/users/sessions", bearer: "admin"}.build(t))
		var answer whoIs
		if err := json.Unmarshal(w.body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		if left := 3 - len(gone); len(answer.Users) != left || answer.Total != left || w.header.Get("X-Wp-Total") != "3" {
			t.Errorf("%s: %s, X-WP-Total is %q", name, &w.body, w.header.Get("X-Wp-Total"))
		}
	}
}

// An answer that fails at the beginning is an error, and one that fails later
// does not end well.
func TestAFaultInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, question := range []string{"users", "sessions of"} {
		r := setup(t)
		r.crowd(1200, 1)
		asked := 0
		r.store.fail = func(q string) error {
			if q == question {
				asked++
			}
			if asked > 2 {
				return errAway
			}
			return nil
		}
		got := fetch(t, r.serve(), request{path: v1 + "/users/sessions", bearer: "admin"})
		if got.status != http.StatusOK || !errors.Is(got.err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: answered %d with %d bytes: %v", question, got.status, len(got.body), got.err)
		}
		if !strings.HasPrefix(got.body, `{"users":[{"user_id":1,`) || json.Valid([]byte(got.body)) {
			t.Errorf("%s: answered %.100s", question, got.body)
		}
		if log := r.log.String(); !strings.Contains(log, "broke off") || !strings.Contains(log, "written=1000") {
			t.Errorf("%s: the log says %q", question, log)
		}
	}
}

// A client that hangs up ends the work, and is nobody's fault.
func TestTheClientHangsUp(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.crowd(1200, 1)
	w := newTape(r)
	w.full = 1000
	ctx, cancel := context.WithCancel(t.Context())
	q := request{path: v1 + "/users/sessions", bearer: "admin"}.build(t).WithContext(ctx)
	r.store.read = func(question string, _ int) {
		w.note(question)
		if question == "sessions of" {
			cancel()
		}
	}
	defer func() {
		if reason := recover(); reason != http.ErrAbortHandler { //nolint:errorlint // it is a value to panic with, never wrapped
			t.Errorf("the handler ended with %v", reason)
		}
		if diff := cmp.Diff([]string{"users", "sessions of", "write"}, w.notes); diff != "" || r.log.String() != "" {
			t.Errorf("%s\nthe log says %q", diff, r.log)
		}
	}()
	r.handler.ServeHTTP(w, q)
}

// The connection serves further requests.
func TestTheConnectionIsKept(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.crowd(600, 1)
	server := r.serve()
	for range 3 {
		got := fetch(t, server, request{path: v1 + "/users/sessions", bearer: "admin"})
		if got.err != nil || got.status != http.StatusOK {
			t.Fatalf("answered %d: %v", got.status, got.err)
		}
		checkCrowd(t, []byte(got.body), 600, 600)
	}
}
