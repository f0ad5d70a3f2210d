package natsfeed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/gateway/internal/feed"
)

const (
	// few is how many revocations are fetched one by one.
	few = 8
	// abandoned is when the server forgets a consumer that nobody reads any more.
	abandoned = 5 * time.Second
	pullAhead = 2000
	heartbeat = 1500 * time.Millisecond
)

// load applies what the stream holds of the gateway's revocations after what was
// applied: one by one if they are few, as they are after a moment without NATS,
// and with a consumer if they are many. What a store's mirror does not have yet it
// loads from the hub.
func (r *reader) load(ctx context.Context) error {
	// Before anything is read, it is known that the stream is still the one that
	// the position is of.
	if err := r.ask(ctx); err != nil {
		return err
	}
	if err := r.loadFrom(ctx, r.near); err != nil {
		return err
	}
	if r.origin.ahead {
		if err := r.loadFrom(ctx, r.origin.source); err != nil {
			return err
		}
	}
	r.sink.CaughtUp()
	return nil
}

func (r *reader) loadFrom(ctx context.Context, from source) error {
	for range few {
		next, err := from.stored(ctx, getRequest{Sequence: r.at.sequence + 1, NextFor: r.revocations()})
		if err != nil {
			return err
		}
		if next.Sequence == 0 {
			return nil
		}
		r.apply(feed.Message{Subject: next.Subject, Data: next.Data}, next.Sequence)
	}
	return r.loadMany(ctx, from)
}

func (r *reader) loadMany(ctx context.Context, from source) error {
	consumer, err := r.consume(ctx, from)
	if err != nil {
		return err
	}
	defer r.forget(ctx, from, consumer.CachedInfo().Name)
	if consumer.CachedInfo().NumPending == 0 {
		return nil
	}
	return r.drain(ctx, consumer)
}

// forget makes room for the consumer of another gateway.
func (r *reader) forget(ctx context.Context, from source, consumer string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), apiTimeout)
	defer cancel()
	if err := from.js.DeleteConsumer(ctx, events.StreamRevocations, consumer); err != nil {
		r.feed.log.DebugContext(ctx, "consumer is left to the server", slog.Any("error", err))
	}
}

// drain reads a consumer to its end. A gap in its deliveries is an error, and so is a
// consumer that delivers nothing more though it said so: what was still to come is
// removed, or the server that has the consumer does not get it from the others.
func (r *reader) drain(ctx context.Context, consumer jetstream.Consumer) error {
	messages, err := consumer.Messages(
		jetstream.PullMaxMessages(pullAhead), jetstream.PullHeartbeat(heartbeat),
		jetstream.WithMessagesErrOnMissingHeartbeat(true))
	if err != nil {
		return fmt.Errorf("read %s: %w", events.StreamRevocations, err)
	}
	defer messages.Stop()
	defer context.AfterFunc(ctx, messages.Stop)()
	last := time.Now()
	for delivered := uint64(1); ; {
		m, err := messages.Next(jetstream.NextMaxWait(look))
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, nats.ErrTimeout) && time.Since(last) < silence:
			continue
		case errors.Is(err, nats.ErrTimeout):
			return fmt.Errorf("%w, and nothing came for %s", errBehind, silence)
		case err != nil:
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		if meta.Sequence.Consumer != delivered {
			return fmt.Errorf("%w: got delivery %d instead of %d", errGap, meta.Sequence.Consumer, delivered)
		}
		r.apply(feed.Message{Subject: m.Subject(), Data: m.Data()}, meta.Sequence.Stream)
		if meta.NumPending == 0 {
			return nil
		}
		delivered, last = delivered+1, time.Now()
	}
}

// consume makes a consumer that starts after what was applied. Its one filter is
// part of the subject on which it is asked for, so that a server can let a gateway
// read its own tenant and nobody else's.
func (r *reader) consume(ctx context.Context, from source) (jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	cfg := jetstream.ConsumerConfig{
		FilterSubject:     r.revocations(),
		DeliverPolicy:     jetstream.DeliverAllPolicy,
		AckPolicy:         jetstream.AckNonePolicy,
		InactiveThreshold: abandoned,
		MemoryStorage:     true,
		Replicas:          1,
	}
	if r.at.sequence > 0 {
		cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, r.at.sequence+1
	}
	consumer, err := from.js.CreateConsumer(ctx, events.StreamRevocations, cfg)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", events.StreamRevocations, err)
	}
	return consumer, nil
}
