package natsfeed

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
)

var errAway = errors.New("gateway: NATS is away")

// PublishTouches sends all touches and then collects their acknowledgements: a
// stream that takes messages faster than it acknowledges them loses some.
func (f *Feed) PublishTouches(ctx context.Context, messages []events.Message) []error {
	errs := make([]error, len(messages))
	acks := make([]jetstream.PubAckFuture, len(messages))
	for i, m := range messages {
		if !f.conn.IsConnected() {
			errs[i] = errAway
			continue
		}
		acks[i], errs[i] = f.js.PublishMsgAsync(&nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data})
	}
	for i, ack := range acks {
		if errs[i] == nil {
			errs[i] = collect(ctx, ack)
		}
	}
	return errs
}

func collect(ctx context.Context, ack jetstream.PubAckFuture) error {
	select {
	case <-ack.Ok():
		return nil
	case err := <-ack.Err():
		return fmt.Errorf("gateway: store touch: %w", err)
	case <-ctx.Done():
		return fmt.Errorf("gateway: store touch: %w", ctx.Err())
	}
}

// RollCalls hears them also after NATS was away.
func (f *Feed) RollCalls(call func()) (stop func(), err error) {
	s, err := f.conn.Subscribe(events.SubjectRollCall, func(*nats.Msg) { call() })
	if err != nil {
		return nil, fmt.Errorf("gateway: listen to roll calls: %w", err)
	}
	return func() { _ = s.Unsubscribe() }, nil // or it is gone with the connection
}

// PublishStatus sends on core NATS; who is not there does not hear it.
func (f *Feed) PublishStatus(subject string, data []byte) error {
	if !f.conn.IsConnected() {
		return errAway
	}
	return f.conn.Publish(subject, data)
}
