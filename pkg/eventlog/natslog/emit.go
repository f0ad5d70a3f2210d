package natslog

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go/jetstream"
)

// Metadata of the Watermill messages that a Subscriber hands out. Numbers are
// decimal; the time is RFC 3339 with nanoseconds. A message that carries one
// stored message also has that one's headers, each under its own name.
const (
	MetadataStream  = "stream"
	MetadataFirst   = "first_sequence" // of the batch
	MetadataLast    = "last_sequence"
	MetadataTime    = "time"    // when the log stored the last
	MetadataPending = "pending" // messages behind it
	MetadataCount   = "count"   // messages in the batch
	MetadataSubject = "subject" // of a single stored message
)

type chunkKey struct{}

// Stored returns the stored messages that a Watermill message carries, in order.
func Stored(m *message.Message) []*jetstream.RawStreamMsg { return chunkOf(m).messages }

func chunkOf(m *message.Message) chunk {
	c, _ := m.Context().Value(chunkKey{}).(chunk)
	return c
}

// emit hands chunks out until there are no more, at most MaxInFlight of them
// unacknowledged.
func (s *subscription) emit(ctx context.Context) {
	defer close(s.out)
	var waiting sync.WaitGroup
	defer waiting.Wait()
	slots := make(chan struct{}, s.config.MaxInFlight)
	for c := range s.ready {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			continue
		}
		waiting.Go(func() {
			defer func() { <-slots }()
			s.deliver(ctx, c)
		})
		if s.config.MaxInFlight == 1 {
			waiting.Wait()
		}
	}
}

// deliver hands a chunk out until it is acknowledged.
func (s *subscription) deliver(ctx context.Context, c chunk) {
	for ctx.Err() == nil {
		m := toWatermill(ctx, c)
		select {
		case s.out <- m:
		case <-ctx.Done():
			return
		}
		select {
		case <-m.Acked():
			return
		case <-m.Nacked():
			pause(ctx, nackPause)
		case <-ctx.Done():
			return
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func toWatermill(ctx context.Context, c chunk) *message.Message {
	m := message.NewMessageWithContext(context.WithValue(ctx, chunkKey{}, c), "", nil)
	m.Metadata = message.Metadata{
		MetadataStream:  c.end.Stream,
		MetadataLast:    strconv.FormatUint(c.end.Sequence, 10),
		MetadataPending: strconv.FormatUint(c.pending, 10),
		MetadataCount:   strconv.Itoa(len(c.messages)),
	}
	m.UUID = c.end.Stream + "-" + m.Metadata[MetadataLast]
	if len(c.messages) == 0 {
		return m
	}
	first, last := c.messages[0], c.messages[len(c.messages)-1]
	m.Metadata[MetadataFirst] = strconv.FormatUint(first.Sequence, 10)
	m.Metadata[MetadataTime] = last.Time.UTC().Format(time.RFC3339Nano)
	if len(c.messages) == 1 {
		addSingle(m, first)
	}
	return m
}

// addSingle makes the message readable for a handler that knows Watermill only.
func addSingle(m *message.Message, stored *jetstream.RawStreamMsg) {
	m.Payload = stored.Data
	for name := range stored.Header {
		m.Metadata[name] = stored.Header.Get(name)
	}
	m.Metadata[MetadataSubject] = stored.Subject
}
