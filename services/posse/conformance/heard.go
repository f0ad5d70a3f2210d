package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"sync"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
)

// heard is what the gateway said over NATS.
type heard struct {
	mu      sync.Mutex
	touches map[string]int // by subject
	reports []events.GatewayStatus
	fault   error // the first thing that was no report
}

func newHeard() *heard { return &heard{touches: map[string]int{}} }

// listen listens until the connection is closed.
func (h *heard) listen(conn *bus.Conn) error {
	if _, err := conn.Subscribe(events.SubjectTouches, func(subject string, _ []byte) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.touches[subject]++
	}); err != nil {
		return err
	}
	_, err := conn.Subscribe(events.GatewayStatusWildcard, h.report)
	return err
}

func (h *heard) report(subject string, data []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var status events.GatewayStatus
	err := json.Unmarshal(data, &status)
	if err == nil && events.GatewayStatusSubject(status.Gateway) != subject {
		err = fmt.Errorf("it names the gateway %q", status.Gateway)
	}
	if err == nil && (status.At == 0 || status.Interval <= 0) {
		err = fmt.Errorf("at and interval (%v) are required", status.Interval)
	}
	if err != nil {
		if h.fault == nil {
			h.fault = fmt.Errorf("a report on %s is unreadable: %w", subject, err)
		}
		return
	}
	h.reports = append(h.reports, status)
}

// touchesOf returns how many touches of a session were heard.
func (h *heard) touchesOf(key events.Key) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.touches[events.TouchSubject(key)]
}

// said reports whether one of the reports since a moment is as wanted. The moment
// is a number of reports, which mark returns.
func (h *heard) said(since int, wanted func(events.GatewayStatus) bool) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.ContainsFunc(h.reports[since:], wanted), h.fault
}

func (h *heard) mark() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.reports)
}

// violations hears from the server's log what the gateway was not allowed to do.
type violations struct {
	next slog.Handler

	mu   sync.Mutex
	seen []string
}

// Enabled is for the server's errors, besides what others want to hear.
func (v *violations) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelError || v.next.Enabled(ctx, level)
}

// Handle takes note of a violation.
func (v *violations) Handle(ctx context.Context, record slog.Record) error {
	record.Attrs(func(attr slog.Attr) bool {
		if attr.Key == "line" {
			v.note(attr.Value.String())
		}
		return true
	})
	if !v.next.Enabled(ctx, record.Level) {
		return nil
	}
	return v.next.Handle(ctx, record)
}

// note keeps what was tried, once.
func (v *violations) note(line string) {
	match := violation.FindStringSubmatch(line)
	if match == nil {
		return
	}
	what := map[string]string{"Publish": "publish to ", "Subscription": "subscribe to "}[match[1]] + match[2]
	v.mu.Lock()
	defer v.mu.Unlock()
	if !slices.Contains(v.seen, what) && len(v.seen) < 100 {
		v.seen = append(v.seen, what)
	}
}

// violation is what nats-server writes into its log when a client oversteps its
// permissions (server/client.go of nats-server 2.15).
var violation = regexp.MustCompile(`(Publish|Subscription) Violation.*Subject "([^"]*)"`)

// WithAttrs and WithGroup are not used by the server's log.
func (v *violations) WithAttrs([]slog.Attr) slog.Handler { return v }

// WithGroup returns the handler as it is.
func (v *violations) WithGroup(string) slog.Handler { return v }

func (v *violations) all() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.seen)
}

func acknowledged(answer []byte) bool {
	var ack struct {
		Stream string          `json:"stream"`
		Error  json.RawMessage `json:"error"`
	}
	return json.Unmarshal(answer, &ack) == nil && ack.Stream != "" && ack.Error == nil
}
