package natsfeed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/gateway/internal/feed"
)

const (
	apiTimeout = 2 * time.Second
	// look is how often the reader looks up from a silent line, and whether there is
	// one.
	look = 250 * time.Millisecond
	// silence is how long a line that should tick is silent before the reader
	// asks whether it misses something; it asks less often the longer it lasts.
	silence    = 2 * time.Second
	maxSilence = 10 * time.Second
	// A try that failed is repeated after a pause of this, and as much at random; it
	// doubles while tries fail, so that a fleet does not hold down a server that
	// comes up.
	retryPause  = 250 * time.Millisecond
	maxDoubling = 2
)

var (
	errGap         = errors.New("a message is missing")
	errReconnected = errors.New("NATS was away")
	errBehind      = errors.New("the stream has more than was delivered")
	errSilent      = errors.New("the stream does not publish what it stores again on " + events.SubjectLive +
		": start a recorder with --update-streams, which declares it")
)

// position is a place in the stream, and which stream it is a place in.
// Everything on the reader's subjects up to sequence was applied.
type position struct {
	created  time.Time
	sequence uint64
}

// probe is what the stream said when it was asked: ticks beyond last were written
// after asked.
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

// Follow hears on core NATS what the stream stores, and loads from the stream what
// it has not heard: at the start, after NATS was away, and when a message is
// missing. Core NATS promises no delivery, so each message has to prove by its
// sequences that nothing stands between it and the one before.
//
// At a store it hears the hub's stream, whose numbers are those of the mirror.
func (f *Feed) Follow(ctx context.Context, sink feed.Sink) error {
	r := &reader{feed: f, sink: sink, near: source{js: f.js, api: jetstream.DefaultAPIPrefix}, origin: &origin{log: f.log}}
	for ctx.Err() == nil {
		if !f.conn.IsConnected() { // nats.go sees to that, and spreads a fleet
			r.failures = 0
			rest(ctx, look)
			continue
		}
		err := r.read(ctx)
		if errors.Is(err, feed.ErrRestart) {
			return err
		}
		if ctx.Err() == nil {
			f.log.LogAttrs(ctx, levelOf(err), "revocations are interrupted", slog.Any("reason", err))
		}
		if !errors.Is(err, errReconnected) {
			pause := retryPause << min(r.failures, maxDoubling)
			rest(ctx, pause+rand.N(pause)) //nolint:gosec // a pause, not a secret
			r.failures++
		}
	}
	return ctx.Err()
}

// levelOf tells what only an operator can mend from what passes.
func levelOf(err error) slog.Level {
	if errors.Is(err, errSilent) {
		return slog.LevelError
	}
	return slog.LevelDebug
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
	probe probe
	wants bool // the sink wants a proof of age

	doubtful bool      // something was heard whose number had passed
	foreign  sync.Once // says that somebody else publishes on the line
	failures int       // tries in a row that did not come to hear

	heard    time.Time     // when something was applied that was heard, or looked for
	patience time.Duration // until the stream is asked whether there is something

	near   source // the stream of the server that the gateway is connected to
	origin *origin
}

// read loads and then hears, until something is wrong. It listens before it loads,
// so that nothing is between the two.
func (r *reader) read(ctx context.Context) error {
	reconnects := r.feed.conn.Stats().Reconnects
	line, err := r.listen()
	if err != nil {
		return err
	}
	defer line.close()
	if err := r.load(ctx); err != nil {
		return err
	}
	r.failures = 0
	return r.hear(ctx, line, reconnects)
}

// ask asks the stream where it ends, and whether it is still the same.
func (r *reader) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	asked := time.Now()
	stream, err := r.near.js.Stream(ctx, events.StreamRevocations)
	if err != nil {
		return fmt.Errorf("look at %s: %w", events.StreamRevocations, err)
	}
	info := stream.CachedInfo()
	if r.at.created.IsZero() {
		r.at.created = info.Created
	}
	r.origin.learn(r.feed.conn, info)
	// A mirror may be behind what was heard of its origin.
	if !r.at.created.Equal(info.Created) || !r.origin.mirrored && info.State.LastSeq < r.at.sequence {
		return fmt.Errorf("%w: it was created at %s and ends at %d, not at %s and %d or later", feed.ErrRestart,
			info.Created.Format(time.RFC3339Nano), info.State.LastSeq, r.at.created.Format(time.RFC3339Nano), r.at.sequence)
	}
	r.doubtful = false
	last, known, err := r.origin.end(ctx, info)
	if known {
		r.probe = probe{asked: asked, last: last}
	}
	return err
}

// apply hands a message over, after which everything up to it was applied.
func (r *reader) apply(m feed.Message, sequence uint64) {
	m.Within = r.probe.within(sequence)
	r.wants = r.sink.Apply(m) || r.wants
	r.at.sequence = sequence
}

// revocations is the subject of those that concern the gateway.
func (r *reader) revocations() string {
	if r.feed.tenant != "" {
		return events.RevocationSubject(r.feed.tenant)
	}
	return events.SubjectRevocations
}
