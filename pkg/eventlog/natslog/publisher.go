package natslog

import (
	"context"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"

	"github.com/posse-pos/posse/events"
)

// Publisher is a Watermill publisher into the streams. The topic is a subject;
// the message's UUID becomes its Nats-Msg-Id and its metadata its headers.
type Publisher struct {
	log *Log
}

var _ message.Publisher = (*Publisher)(nil)

// NewPublisher returns a publisher, which holds nothing that must be closed.
func NewPublisher(l *Log) *Publisher { return &Publisher{log: l} }

// Publish stores messages in order and returns when all are acknowledged, or
// after ten seconds. What the server knows by its id already counts as stored.
func (p *Publisher) Publish(topic string, messages ...*message.Message) error {
	toStore := make([]*nats.Msg, len(messages))
	for i, m := range messages {
		header := make(nats.Header, len(m.Metadata)+1)
		for name, value := range m.Metadata {
			header.Set(name, value)
		}
		if m.UUID != "" {
			header.Set(events.HeaderMsgID, m.UUID)
		}
		toStore[i] = &nats.Msg{Subject: topic, Header: header, Data: m.Payload}
	}
	if err := p.log.publishAll(publishContext(messages), toStore); err != nil {
		return unavailable(fmt.Sprintf("publish %d messages", len(messages)), err)
	}
	return nil
}

// publishContext is the first message's, as Watermill has no other.
func publishContext(messages []*message.Message) context.Context {
	if len(messages) == 0 {
		return context.Background()
	}
	return messages[0].Context()
}

// Close does nothing: the connection belongs to somebody else.
func (p *Publisher) Close() error { return nil }
