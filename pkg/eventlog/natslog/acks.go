package natslog

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// publishAll sends messages in order and returns when the stream has
// acknowledged every one of them: a stream takes only part of a flood whose
// acknowledgements nobody waits for. Its error names the first that failed;
// those behind it may have been stored.
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
		if err := await(ctx, future); err != nil {
			return errors.Join(err, failure)
		}
	}
	return failure
}

func await(ctx context.Context, future jetstream.PubAckFuture) error {
	select {
	case <-future.Ok():
		return nil
	case err := <-future.Err():
		return fmt.Errorf("publish on %s: %w", future.Msg().Subject, err)
	case <-ctx.Done():
		return fmt.Errorf("publish on %s: %w", future.Msg().Subject, context.Cause(ctx))
	}
}
