package history

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/services/auditor/replay"
)

const (
	// chunkSize is about how much is written at once.
	chunkSize = 64 << 10
	// retryAfter is how long a browser waits before it connects again.
	retryAfter = 2 * time.Second
)

// output is the sink of an answer: lines, or server-sent events (WHATWG HTML §9.2)
// with the same lines as their data.
type output struct {
	format  string
	timeout time.Duration
	facts   prometheus.Counter

	pending []byte // of one goroutine

	mu         sync.Mutex // of what is below: heartbeats come in between
	w          io.Writer
	controller *http.ResponseController
	failure    error // of the first write that failed
}

var _ replay.Sink = (*output)(nil)

func (s *Service) newOutput(format string) *output {
	return &output{format: format, timeout: s.config.WriteTimeout, facts: s.metrics.facts}
}

func (o *output) events() bool { return o.format == formatSSE }

// open begins the answer. The connection is not used again, because its deadline for
// writing stays on it.
func (o *output) open(ctx huma.Context) {
	kind := typeNDJSON
	if o.events() {
		kind = typeSSE
	}
	ctx.SetHeader("Content-Type", kind)
	ctx.SetHeader("Cache-Control", "no-store")
	ctx.SetHeader("X-Accel-Buffering", "no") // nginx would keep it back
	ctx.SetHeader("Connection", "close")
	ctx.SetStatus(http.StatusOK)
	o.w = ctx.BodyWriter()
	if w, ok := o.w.(http.ResponseWriter); ok {
		o.controller = http.NewResponseController(w)
	}
	if o.events() {
		o.pending = fmt.Appendf(o.pending, "retry: %d\n\n", retryAfter.Milliseconds())
	}
}

// Begin implements replay.Sink: the client is told that the answer begins.
func (o *output) Begin(int64) error { return o.flush() }

// Full implements replay.Sink.
func (o *output) Full(eventlog.Recorded) bool { return len(o.pending) >= chunkSize }

// PerPage implements replay.Sink.
func (*output) PerPage() bool { return true }

// Add implements replay.Sink.
func (o *output) Add(fact eventlog.Recorded) (err error) {
	if o.events() {
		o.pending = append(o.pending, "id: "+strconv.FormatUint(fact.Sequence, 10)+"\ndata: "...)
	}
	if o.pending, err = (replay.NDJSON{}).Append(o.pending, fact); err != nil {
		return err
	}
	if o.events() {
		o.pending = append(o.pending, '\n')
	}
	o.facts.Inc()
	return nil
}

// Commit implements replay.Sink.
func (o *output) Commit() (int64, error) { return 0, o.flush() }

func (o *output) flush() error {
	err := o.write(o.pending)
	o.pending = o.pending[:0]
	return err
}

// comment tells everyone on the way that the stream is alive.
func (o *output) comment() error { return o.write([]byte(":\n\n")) }

// end says why no more events come.
func (o *output) end(reason string) error {
	return o.write([]byte("event: end\ndata: " + reason + "\n\n"))
}

func (o *output) write(data []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.failure == nil {
		o.failure = o.writeNow(data)
	}
	return o.failure
}

func (o *output) writeNow(data []byte) error {
	if o.controller == nil {
		return http.ErrNotSupported
	}
	if err := o.controller.SetWriteDeadline(time.Now().Add(o.timeout)); err != nil {
		return err
	}
	if _, err := o.w.Write(data); err != nil {
		return err
	}
	return o.controller.Flush()
}

// failed is why nothing can be written any more, nil if it can.
func (o *output) failed() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.failure
}
