package natsfeed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/gateway/internal/feed"
)

const (
	apiTimeout = 2 * time.Second
	// look is how often the reader looks up from a silent stream.
	look = 250 * time.Millisecond
	// silence is how long a stream that should tick is silent before the reader
	// asks whether it misses something; it asks less often the longer it lasts.
	silence    = 2 * time.Second
	maxSilence = 10 * time.Second
	// A try that failed is repeated after a pause of this, and as much at random.
	retryPause = 250 * time.Millisecond
	// abandoned is when the server forgets a consumer that nobody reads any more.
	abandoned = 30 * time.Second
	pullAhead = 2000
	heartbeat = 1500 * time.Millisecond
)

var (
	errGap         = errors.New("a message is missing")
	errReconnected = errors.New("NATS was away")
	errBehind      = errors.New("the stream has more than was delivered")
)

// position is a place in the stream, and which stream it is a place in.
type position struct {
	created  time.Time
	sequence uint64 // of the last message that was applied
}

// probe is what the stream said when it was asked: messages beyond last were
// written after asked.
type probe struct {
	asked time.Time
	last  uint64
}

func (p probe) within(sequence uint64) time.Duration {
	if p.asked.IsZero() || sequence <= p.last {
		return feed.Unproven
	}
	return time.Since(p.asked)
}

// Follow reads the stream with consumers that it orders by itself: each starts
// after the last message that was applied, a gap in what it delivers ends it, and
// none is made before it is known that the stream is still the one that the
// position is of. The ordered consumer of nats.go would go on, in silence, at a
// sequence that a stream made anew has not reached.
func (f *Feed) Follow(ctx context.Context, sink feed.Sink) error {
	r := &reader{feed: f, sink: sink, origin: &origin{feed: f}}
	for ctx.Err() == nil {
		err := r.read(ctx)
		if errors.Is(err, feed.ErrRestart) {
			return err
		}
		if ctx.Err() == nil {
			f.log.DebugContext(ctx, "revocations are interrupted", slog.Any("reason", err))
		}
		if !errors.Is(err, errReconnected) {
			rest(ctx, retryPause+rand.N(retryPause)) //nolint:gosec // a pause, not a secret
		}
	}
	return ctx.Err()
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// reader is one run of Follow.
type reader struct {
	feed  *Feed
	sink  feed.Sink
	at    position
	end   uint64 // of the stream, when it was last asked
	probe probe
	wants bool // the sink wants a proof of age

	origin *origin
}

// read follows one consumer until something is wrong with it.
func (r *reader) read(ctx context.Context) error {
	reconnects := r.feed.conn.Stats().Reconnects
	consumer, err := r.consume(ctx)
	if err != nil {
		return err
	}
	// Asked after the consumer was made, so that it is known what it reads.
	if err := r.ask(ctx); err != nil {
		return err
	}
	messages, err := consumer.Messages(
		jetstream.PullMaxMessages(pullAhead), jetstream.PullHeartbeat(heartbeat),
		jetstream.WithMessagesErrOnMissingHeartbeat(true))
	if err != nil {
		return fmt.Errorf("read %s: %w", events.StreamRevocations, err)
	}
	defer messages.Stop()
	defer context.AfterFunc(ctx, messages.Stop)()
	if consumer.CachedInfo().NumPending == 0 {
		r.sink.CaughtUp()
	}
	return r.deliver(ctx, messages, reconnects)
}

func (r *reader) deliver(ctx context.Context, messages jetstream.MessagesContext, reconnects uint64) error {
	heard, patience := time.Now(), silence
	for delivered := uint64(0); ; {
		m, err := messages.Next(jetstream.NextMaxWait(look))
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case r.feed.conn.Stats().Reconnects != reconnects:
			return errReconnected
		case err == nil:
			delivered++
			if err := r.apply(m, delivered); err != nil {
				return err
			}
			heard, patience = time.Now(), silence
		case !errors.Is(err, nats.ErrTimeout):
			return err
		case time.Since(heard) > patience:
			if err := r.lookUp(ctx); err != nil {
				return err
			}
			heard, patience = time.Now(), min(2*patience, maxSilence)
		}
		if r.wants {
			r.wants = false
			if err := r.ask(ctx); err != nil {
				return err
			}
		}
	}
}

func (r *reader) apply(m jetstream.Msg, delivered uint64) error {
	meta, err := m.Metadata()
	if err != nil {
		return err
	}
	if meta.Sequence.Consumer != delivered {
		return fmt.Errorf("%w: got delivery %d instead of %d", errGap, meta.Sequence.Consumer, delivered)
	}
	r.wants = r.sink.Apply(feed.Message{
		Subject: m.Subject(), Data: m.Data(), Within: r.probe.within(meta.Sequence.Stream),
	}) || r.wants
	r.at.sequence = meta.Sequence.Stream
	if meta.NumPending == 0 {
		r.sink.CaughtUp()
	}
	return nil
}

// ask asks the stream where it ends, and whether it is still the same.
func (r *reader) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	asked := time.Now()
	stream, err := r.feed.js.Stream(ctx, events.StreamRevocations)
	if err != nil {
		return fmt.Errorf("look at %s: %w", events.StreamRevocations, err)
	}
	info := stream.CachedInfo()
	if r.at.created.IsZero() {
		r.at.created = info.Created
	}
	if !r.at.created.Equal(info.Created) || info.State.LastSeq < r.at.sequence {
		return fmt.Errorf("%w: it was created at %s and ends at %d, not at %s and %d or later", feed.ErrRestart,
			info.Created.Format(time.RFC3339Nano), info.State.LastSeq, r.at.created.Format(time.RFC3339Nano), r.at.sequence)
	}
	r.end = info.State.LastSeq
	last, known, err := r.origin.end(ctx, info)
	if known {
		r.probe = probe{asked: asked, last: last}
	}
	return err
}

// lookUp asks a silent stream whether there is something that was not delivered.
// Messages of other tenants are not; but a stream that grows and shows no tick
// is not followed as it should be.
func (r *reader) lookUp(ctx context.Context) error {
	before := r.end
	if err := r.ask(ctx); err != nil {
		return err
	}
	if r.end > max(before, r.at.sequence) {
		return errBehind
	}
	return nil
}

// consume makes a consumer that starts after what was applied.
func (r *reader) consume(ctx context.Context) (jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	cfg := jetstream.ConsumerConfig{
		FilterSubjects:    []string{r.revocations(), events.SubjectTick},
		DeliverPolicy:     jetstream.DeliverAllPolicy,
		AckPolicy:         jetstream.AckNonePolicy,
		InactiveThreshold: abandoned,
		MemoryStorage:     true,
		Replicas:          1,
	}
	if r.at.sequence > 0 {
		cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, r.at.sequence+1
	}
	consumer, err := r.feed.js.CreateConsumer(ctx, events.StreamRevocations, cfg)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", events.StreamRevocations, err)
	}
	return consumer, nil
}

func (r *reader) revocations() string {
	if r.feed.tenant != "" {
		return events.RevocationSubject(r.feed.tenant)
	}
	return events.SubjectRevocations
}
