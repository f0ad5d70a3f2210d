package natslog

import (
	"context"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go"

	"github.com/posse-pos/posse/events"
)

// touchWindow is how many touches of one call are under way at once.
const touchWindow = 1024

// Touch stores last activities; see eventlog.Appender.
func (l *Log) Touch(ctx context.Context, touches []events.Envelope) error {
	messages := make([]*nats.Msg, len(touches))
	for i, touch := range touches {
		m, err := events.Encode(touch)
		if err != nil {
			return fmt.Errorf("natslog: touch %d: %w", i, err)
		}
		if touch.Event.EventType() != events.TypeTouched {
			return fmt.Errorf("natslog: touch %d is a %s, which Append stores", i, touch.Event.EventType())
		}
		messages[i] = &nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data}
	}
	for window := range slices.Chunk(messages, touchWindow) {
		if err := l.publishAll(ctx, window); err != nil {
			return notStored("touch", err)
		}
	}
	l.metrics.touched.Add(float64(len(touches)))
	return nil
}
