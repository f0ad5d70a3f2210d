package natslog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

const (
	// checkInterval is how often a feed asks the server where its stream ends,
	// and whether it is still the same stream.
	checkInterval = time.Second
	// suspicion is how long a replicated stream must be found short, or a stream
	// missing, before that is believed.
	suspicion = 2 * time.Second
	// consumerLife is how long the server keeps a consumer that nobody reads.
	consumerLife   = time.Minute
	pullExpiry     = 30 * time.Second
	pullHeartbeat  = time.Second
	minPrefetch    = 1000
	consumerWait   = 2 * time.Second
	reopenInterval = time.Second
)

var (
	// errQuiet says that no message came in time.
	errQuiet = errors.New("natslog: no message")
	// errLost says that the consumer has to be made anew.
	errLost = errors.New("natslog: consumer lost")
)

// feed reads a stream in order from a position on. It does what an ordered
// consumer does, on one of its own: when messages are missing or the consumer
// is gone, it makes another one behind the last message that it delivered.
// jetstream.OrderedConsumer is not used because it does so out of sight: a feed
// has to check its position after each new consumer and before the first
// message of it, and has to stop at once while no server is there.
//
//	closed ──open──▶ reading ──errLost──▶ closed
//	   └──ErrGap──▶ (ends)
type feed struct {
	log      *Log
	name     string
	logger   *slog.Logger
	position eventlog.Position // of the last message delivered
	filter   string            // subject; "" means all of the stream
	prefetch int

	messages   jetstream.MessagesContext // nil while closed
	consumer   string
	delivered  uint64 // sequence of the consumer's last message
	verified   uint64 // position that the last open checked
	reconnects uint64
	suspect    time.Time // since when the stream looks short or missing
}

func newFeed(l *Log, name string, after eventlog.Position, batch int) *feed {
	return &feed{
		log: l, name: name, position: after, prefetch: max(minPrefetch, 2*batch),
		logger: l.logger.With("follower", name, "stream", after.Stream),
	}
}

// next returns the next message and how many the server has behind it. Errors:
// errQuiet when ctx ends first, errLost.
func (f *feed) next(ctx context.Context) (*jetstream.RawStreamMsg, uint64, error) {
	m, err := f.messages.Next(jetstream.NextContext(ctx))
	if err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return nil, 0, errQuiet
		}
		return nil, 0, f.lose(ctx, err)
	}
	meta, err := m.Metadata()
	if err != nil {
		return nil, 0, f.lose(ctx, err)
	}
	if meta.Sequence.Consumer != f.delivered+1 || meta.Sequence.Stream <= f.position.Sequence {
		return nil, 0, f.lose(ctx, fmt.Errorf("message %d follows %d of the consumer's", meta.Sequence.Consumer, f.delivered))
	}
	if f.hasHole(meta.Sequence.Stream) {
		return nil, 0, f.lose(ctx, fmt.Errorf("message %d follows %d", meta.Sequence.Stream, f.position.Sequence))
	}
	f.delivered = meta.Sequence.Consumer
	f.position.Sequence, f.position.ID = meta.Sequence.Stream, m.Headers().Get(events.HeaderMsgID)
	return &jetstream.RawStreamMsg{
		Subject: m.Subject(), Sequence: meta.Sequence.Stream, Header: m.Headers(), Data: m.Data(), Time: meta.Timestamp,
	}, meta.NumPending, nil
}

// page is a run of messages, and how many the server has behind them.
type page struct {
	messages []*jetstream.RawStreamMsg
	pending  uint64
}

// pageWait is how long a page may take. A consumer that stands on a server of a cluster
// that does not get what the others have goes on saying that messages are to come.
const pageWait = 5 * time.Second

// pages returns what the consumer has, in pages of so many messages at most, up to the
// end or an error. What came before an error is given first. errQuiet says that a page
// did not come in time.
func (f *feed) pages(ctx context.Context, limit int) iter.Seq2[page, error] {
	return func(yield func(page, error) bool) {
		for {
			p, err := f.pageInTime(ctx, limit)
			if len(p.messages) > 0 && !yield(p, nil) || err == nil && p.pending == 0 {
				return
			}
			if err != nil {
				yield(page{}, err)
				return
			}
		}
	}
}

func (f *feed) pageInTime(ctx context.Context, limit int) (page, error) {
	ctx, cancel := bounded(ctx, pageWait)
	defer cancel()
	return f.page(ctx, limit)
}

// page returns the next messages. With an error they are those that came before it.
func (f *feed) page(ctx context.Context, limit int) (page, error) {
	p := page{messages: make([]*jetstream.RawStreamMsg, 0, limit)}
	for size := 0; len(p.messages) < limit && size < pageBytes; {
		m, pending, err := f.next(ctx)
		if err != nil {
			return p, err
		}
		p.messages, p.pending, size = append(p.messages, m), pending, size+len(m.Data)
		if pending == 0 {
			break
		}
	}
	return p, nil
}

// hasHole reports whether messages of POS_SESSIONS are missing before this one.
// The position is then checked again, which finds a log that lost its
// beginning. If it did not, an operator removed messages by force: that is
// logged and gone past, for there is no way to mend it.
func (f *feed) hasHole(next uint64) bool {
	if f.position.Stream != events.StreamSessions || f.filter != "" || next == f.position.Sequence+1 {
		return false
	}
	if f.verified != f.position.Sequence {
		return true
	}
	f.logger.Error("messages are missing from the log", "first", f.position.Sequence+1, "last", next-1)
	return false
}

// lose gives the consumer up; ensure makes the next one.
func (f *feed) lose(ctx context.Context, reason error) error {
	f.logger.Info("consumer lost, making another", "after", f.position.Sequence, "reason", reason)
	f.log.metrics.resumed.WithLabelValues(f.name).Inc()
	f.close(ctx)
	return fmt.Errorf("%w: %w", errLost, reason)
}

func (f *feed) close(ctx context.Context) {
	if f.messages == nil {
		return
	}
	f.messages.Stop()
	f.messages = nil
	if !f.log.js.Conn().IsConnected() {
		return
	}
	ctx, cancel := bounded(context.WithoutCancel(ctx), checkInterval)
	defer cancel()
	// The server forgets it anyway; this is sooner.
	if err := f.log.js.DeleteConsumer(ctx, f.position.Stream, f.consumer); err != nil {
		f.logger.Debug("consumer was not deleted", "error", err)
	}
}
