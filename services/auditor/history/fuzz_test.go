package history_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/services/auditor/history"
)

// noting is a trail that keeps what it is to note and then fails, so that nothing is
// read.
type noting struct {
	eventlog.Trail

	noted []events.AuditEnvelope
}

func (n *noting) Note(_ context.Context, e events.AuditEnvelope) (uint64, error) {
	n.noted = append(n.noted, e)
	return 0, errFull
}

// dated is an endless log that knows a sequence for each moment.
type dated struct{ endless }

func (*dated) SequenceAt(context.Context, string, time.Time) (uint64, error) { return 7, nil }

// FuzzQuery asks for the history in any words. What is not refused as the client's
// mistake is noted as a read of the caller's own tenant, and can be recorded: what
// cannot is not read.
func FuzzQuery(f *testing.F) {
	f.Add("since=2026-03-14&until=2026-03-15T00:00:00Z&user=42&type=session.revoked&type=a", "", "")
	f.Add("follow=true&limit=18446744073709551615", "12", "text/event-stream;q=0.1, */*")
	f.Add("tenant=other&from_seq=7", "18446744073709551615", "text/event-stream")
	f.Add("user=&user=%00&%=1&a;b=%ff", "-1", ",;=")
	f.Add("since=0000-01-01T00:00:00%2B23:59", "", "")
	f.Add("until=9999-12-31T23:59:59-23:59", "", "")
	callers := newCallers()
	quiet := slog.New(slog.DiscardHandler)
	f.Fuzz(func(t *testing.T, query, lastEventID, accept string) {
		trail := &noting{}
		service, err := history.New(history.Config{Log: &dated{}, Trail: trail, Authenticator: callers, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		router, api := httpapi.New(httpapi.Config{Title: "test", Version: "1", Authenticator: callers, Logger: quiet})
		service.Register(api)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/events", http.NoBody)
		r.URL = &url.URL{Path: "/v1/events", RawQuery: query}
		r.Header.Set("Authorization", "Bearer admin")
		r.Header.Set("Last-Event-ID", lastEventID)
		r.Header.Set("Accept", accept)
		answer := httptest.NewRecorder()
		router.ServeHTTP(answer, r)
		switch {
		case answer.Code >= http.StatusBadRequest && answer.Code < http.StatusInternalServerError && len(trail.noted) == 0:
			if answer.Body.Len() > 16*len(query)+16<<10 {
				t.Errorf("the answer to %d bytes has %d", len(query), answer.Body.Len())
			}
		case answer.Code == http.StatusServiceUnavailable && len(trail.noted) == 1:
			wantRecordable(t, trail.noted[0])
		default:
			t.Errorf("%d with %d notes: %s", answer.Code, len(trail.noted), answer.Body)
		}
	})
}

func wantRecordable(t *testing.T, note events.AuditEnvelope) {
	t.Helper()
	read, _ := note.Fact.(events.AuditRead)
	if read.Tenant != "shop" || read.Actor.User != "anna" {
		t.Errorf("it is noted as a read of %q by %+v", read.Tenant, read.Actor)
	}
	m, err := events.EncodeAudit(note)
	if err != nil {
		t.Fatalf("what is asked for cannot be recorded: %v", err)
	}
	if _, err := events.DecodeAudit(m); err != nil {
		t.Errorf("what is recorded cannot be read: %v", err)
	}
	for _, moment := range []string{read.Filter.Since, read.Filter.Until} {
		if moment == "" {
			continue
		}
		if _, err := time.Parse(time.RFC3339Nano, moment); err != nil {
			t.Errorf("the filter's moment is none: %v", errors.Unwrap(err))
		}
	}
}
