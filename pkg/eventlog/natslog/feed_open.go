package natslog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// ensure returns with an open consumer, however long the server is away. Its
// errors are final.
func (f *feed) ensure(ctx context.Context) error {
	if f.messages != nil {
		return nil
	}
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := f.open(ctx)
		if final := f.verdict(err); final != nil {
			return struct{}{}, backoff.Permanent(final)
		}
		return struct{}{}, err
	}, append(forever(20*time.Millisecond, reopenInterval), backoff.WithNotify(func(err error, _ time.Duration) {
		f.logger.Warn("stream cannot be followed yet", "error", err)
	}))...)
	return err
}

// verdict returns what ends the feed, or nil for what may be over in a moment. A
// replicated stream that is short, and a stream that is gone while it is
// followed, are believed only when they stay so.
func (f *feed) verdict(err error) error {
	missing := errors.Is(err, eventlog.ErrNotFound)
	if missing && !f.position.Created.IsZero() {
		err = fmt.Errorf("%w: %w", eventlog.ErrGap, err)
	}
	switch {
	case errors.Is(err, errBehind) && f.log.replicated, missing && !f.position.Created.IsZero():
		if f.suspect.IsZero() {
			f.suspect = time.Now()
		}
		if time.Since(f.suspect) < suspicion {
			return nil
		}
		return err
	case missing, errors.Is(err, eventlog.ErrGap):
		return err
	default:
		return nil
	}
}

// open makes a consumer and then checks the position. In this order, because a
// consumer that starts past a stream's end, or in a stream that was made anew,
// says nothing and waits for its sequence to come by.
func (f *feed) open(ctx context.Context) error {
	reconnects := f.log.js.Conn().Stats().Reconnects
	if err := f.subscribe(ctx); err != nil {
		return err
	}
	end, err := f.log.check(ctx, f.position)
	if err != nil {
		f.close(ctx)
		return err
	}
	f.position.Created, f.reconnects, f.suspect = end.Created, reconnects, time.Time{}
	f.verified = f.position.Sequence
	return nil
}

func (f *feed) subscribe(ctx context.Context) error {
	ctx, cancel := bounded(ctx, consumerWait)
	defer cancel()
	name := events.EncodeToken(f.name) + "_" + nuid.Next()
	consumer, err := f.log.js.CreateConsumer(ctx, f.position.Stream, jetstream.ConsumerConfig{
		Name:              name,
		FilterSubject:     f.filter,
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       f.position.Sequence + 1,
		AckPolicy:         jetstream.AckNonePolicy,
		InactiveThreshold: consumerLife,
		Replicas:          1,
		MemoryStorage:     true,
	})
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("%w: stream %s does not exist", eventlog.ErrNotFound, f.position.Stream)
	}
	if err != nil {
		return fmt.Errorf("create consumer: %w", f.log.asked(f.createSubject(name), err))
	}
	f.messages, err = consumer.Messages(
		jetstream.PullMaxMessages(f.prefetch), jetstream.PullExpiry(pullExpiry), jetstream.PullHeartbeat(pullHeartbeat))
	if err != nil {
		return fmt.Errorf("read consumer: %w", err)
	}
	f.consumer, f.delivered = consumer.CachedInfo().Name, 0
	return nil
}

// createSubject is on what a consumer is asked for, behind the API's prefix.
func (f *feed) createSubject(name string) string {
	subject := "CONSUMER.CREATE." + f.position.Stream + "." + name
	if f.filter != "" {
		subject += "." + f.filter
	}
	return subject
}
