package natslog_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/natstest"
)

func benchLog(b *testing.B, opts ...natstest.Option) (*natslog.Log, jetstream.JetStream) {
	b.Helper()
	conn, err := bus.Connect(b.Context(), bus.Config{URL: natstest.Start(b, opts...).URL(), Logger: logger()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(conn.Close)
	log, err := natslog.New(b.Context(), conn, natslog.Config{Logger: logger()})
	if err != nil {
		b.Fatal(err)
	}
	return log, conn.JetStream()
}

// BenchmarkFollow compares following in batches with a bare ordered consumer that
// looks at nothing but the sequence, and with one that decodes.
func BenchmarkFollow(b *testing.B) {
	const size = 200_000
	log, js := benchLog(b)
	for n := 0; n < size; n += natslog.MaxAppend {
		if _, err := log.Append(b.Context(), logins("user-"+strconv.Itoa(n), strconv.Itoa(n), natslog.MaxAppend), nil); err != nil {
			b.Fatal(err)
		}
	}
	var bare, decoding, batches, ours time.Duration
	for b.Loop() {
		bare += timed(func() { readBare(b, js, size, func(jetstream.Msg) error { return nil }) })
		decoding += timed(func() { readBare(b, js, size, decodeBare) })
		batches += timed(func() { readBatches(b, log, size) })
		ours += timed(func() { readOurs(b, log, size) })
	}
	b.ReportMetric(float64(b.N*size)/bare.Seconds(), "bare-events/s")
	b.ReportMetric(float64(b.N*size)/ours.Seconds(), "follow-events/s")
	b.ReportMetric(bare.Seconds()/batches.Seconds(), "batches/bare")
	b.ReportMetric(bare.Seconds()/ours.Seconds(), "follow/bare")
	b.ReportMetric(decoding.Seconds()/ours.Seconds(), "follow/bare+decode")
}

func timed(do func()) time.Duration {
	start := time.Now()
	do()
	return time.Since(start)
}

func decodeBare(m jetstream.Msg) error {
	_, err := events.Decode(events.Message{Subject: m.Subject(), Header: m.Headers(), Data: m.Data()})
	return err
}

func readBare(b *testing.B, js jetstream.JetStream, size uint64, handle func(jetstream.Msg) error) {
	b.Helper()
	consumer, err := js.OrderedConsumer(b.Context(), events.StreamSessions, jetstream.OrderedConsumerConfig{})
	if err != nil {
		b.Fatal(err)
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(2 * natslog.MaxAppend))
	if err != nil {
		b.Fatal(err)
	}
	defer messages.Stop()
	for sequence := uint64(0); sequence < size; {
		m, err := messages.Next()
		if err != nil {
			b.Fatal(err)
		}
		meta, err := m.Metadata()
		if err != nil {
			b.Fatal(err)
		}
		if err := handle(m); err != nil {
			b.Fatal(err)
		}
		sequence = meta.Sequence.Stream
	}
}

// readBatches leaves decoding and the Router out.
func readBatches(b *testing.B, log *natslog.Log, size uint64) {
	b.Helper()
	s := natslog.NewSubscriber(log, natslog.SubscriberConfig{BatchSize: natslog.MaxAppend})
	defer s.Close()
	messages, err := s.Subscribe(b.Context(), events.StreamSessions)
	if err != nil {
		b.Fatal(err)
	}
	for m := range messages {
		stored := natslog.Stored(m)
		if stored[len(stored)-1].Sequence == size {
			return
		}
		m.Ack()
	}
}

func readOurs(b *testing.B, log eventlog.Log, size uint64) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	config := eventlog.FollowConfig{Name: "bench", Stream: events.StreamSessions}
	err := log.Follow(ctx, config, func(_ context.Context, batch eventlog.Batch) error {
		if batch.End.Sequence == size {
			cancel()
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkAppend compares appending one fact, under an expectation, with a bare
// publish of the same bytes, both waiting for the disk and both from the same
// number of callers.
func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) { appendBeside(b, callers) })
	}
}

func appendBeside(b *testing.B, callers int) {
	b.Helper()
	const each = 2000
	log, js := benchLog(b, natstest.WithSyncAlways())
	if _, err := js.CreateStream(b.Context(), jetstream.StreamConfig{Name: "BARE", Subjects: []string{"bare.>"}}); err != nil {
		b.Fatal(err)
	}
	var bare, ours time.Duration
	for round := 0; b.Loop(); round++ {
		bare += timed(func() {
			together(b, callers, each, func(caller, n int) error {
				m, err := events.Encode(login(fmt.Sprintf("b-%d", caller), fmt.Sprintf("b-%d-%d-%d", round, caller, n)))
				if err != nil {
					return err
				}
				_, err = js.PublishMsg(b.Context(), &nats.Msg{Subject: "bare." + m.Subject, Header: m.Header, Data: m.Data})
				return err
			})
		})
		last := make([]uint64, callers)
		ours += timed(func() {
			together(b, callers, each, func(caller, n int) (err error) {
				fact := login(fmt.Sprintf("u-%d-%d", round, caller), fmt.Sprintf("u-%d-%d-%d", round, caller, n))
				last[caller], err = log.Append(b.Context(), []events.Envelope{fact}, &eventlog.Expectation{LastSequence: last[caller]})
				return err
			})
		})
	}
	total := float64(b.N * each)
	b.ReportMetric(total/bare.Seconds(), "bare-publishes/s")
	b.ReportMetric(total/ours.Seconds(), "appends/s")
	b.ReportMetric(bare.Seconds()/ours.Seconds(), "ratio")
}

// together shares n calls between callers.
func together(b *testing.B, callers, n int, do func(caller, n int) error) {
	b.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				if err := do(caller, int(i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}
