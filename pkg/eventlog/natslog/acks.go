package natslog

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// publishAll sends messages in order and returns when the stream has
// acknowledged every one of them: a stream takes only part of a flood whose
// acknowledgements nobody waits for. What somebody else is storing under the same
// id, as relays do, is waited for. Its error names the first that failed; those
// behind it may have been stored.
func (l *Log) publishAll(ctx context.Context, messages []*nats.Msg) error {
	ctx, cancel := bounded(ctx, appendPatience)
	defer cancel()
	futures := make([]jetstream.PubAckFuture, 0, len(messages))
	var failure error
	for _, m := range messages {
		future, err := l.js.PublishMsgAsync(m, jetstream.WithStallWait(attemptTimeout))
		if err != nil {
			failure = fmt.Errorf("publish on %s: %w", m.Subject, err)
			break
		}
		futures = append(futures, future)
	}
	for _, future := range futures {
		err := await(ctx, future)
		if hasCode(err, codeDuplicateInFlight) {
			err = l.publishAgain(ctx, future.Msg())
		}
		if err != nil {
			return errors.Join(fmt.Errorf("publish on %s: %w", future.Msg().Subject, err), failure)
		}
	}
	return failure
}

func await(ctx context.Context, future jetstream.PubAckFuture) error {
	select {
	case <-future.Ok():
		return nil
	case err := <-future.Err():
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// publishAgain publishes until no message of the same id is being replicated: then it is
// stored, or this one is.
func (l *Log) publishAgain(ctx context.Context, m *nats.Msg) error {
	_, err := backoff.Retry(ctx, func() (*jetstream.PubAck, error) {
		ack, err := l.js.PublishMsg(ctx, &nats.Msg{Subject: m.Subject, Header: maps.Clone(m.Header), Data: m.Data})
		if err != nil && !hasCode(err, codeDuplicateInFlight) {
			err = backoff.Permanent(err)
		}
		return ack, err
	}, forever(firstRetry, lastRetry)...)
	return err
}
