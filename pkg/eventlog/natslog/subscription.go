package natslog

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/pkg/eventlog"
)

// nackPause keeps a message that is refused at once from spinning.
const nackPause = 100 * time.Millisecond

// growWait is how long a chunk that waits to be handled looks for another message before
// it looks again whether its turn has come.
const growWait = time.Millisecond

// chunk is what one Watermill message carries.
type chunk struct {
	messages []*jetstream.RawStreamMsg
	end      eventlog.Position
	pending  uint64
	stated   time.Time // when the server stated the end, for a chunk without messages

	// For Follow: what the messages say, and those that say nothing.
	batch  eventlog.Batch
	broken []rejected
}

// subscription is one run through a stream: fill reads chunks, one ahead of
// what emit hands out.
type subscription struct {
	config SubscriberConfig
	feed   *feed
	log    *Log
	ready  chan chunk
	out    chan *message.Message

	nextCheck time.Time
	stated    *chunk // an end to report once it is reached
	quiet     bool   // nothing came for most of a check interval
}

func newSubscription(s *Subscriber, after eventlog.Position) *subscription {
	return &subscription{
		config: s.config,
		log:    s.log,
		feed:   newFeed(s.log, s.config.Name, after, s.config.BatchSize),
		ready:  make(chan chunk),
		out:    make(chan *message.Message),
	}
}

// run ends with ctx, or when the stream cannot be followed: fail then hears why,
// before out is closed.
func (s *subscription) run(ctx context.Context, fail func(error)) {
	var emitting sync.WaitGroup
	emitting.Go(func() { s.emit(ctx) })
	defer emitting.Wait()
	defer close(s.ready)
	defer s.feed.close(ctx)
	for {
		err := s.step(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			fail(err)
			return
		}
	}
}

// step reads one chunk, or asks the server for the end when that is due.
func (s *subscription) step(ctx context.Context) error {
	if err := s.feed.ensure(ctx); err != nil {
		return err
	}
	began := time.Now()
	read, err := s.fill(ctx)
	s.quiet = errors.Is(err, errQuiet) && time.Since(began) > checkInterval/2
	if len(read.messages) > 0 {
		if err := s.hand(ctx, read); err != nil {
			return err
		}
	}
	if s.feed.messages == nil {
		return nil
	}
	if !time.Now().Before(s.nextCheck) {
		s.nextCheck = time.Now().Add(checkInterval)
		if err := s.check(ctx); err != nil {
			return err
		}
	}
	s.reportEnd(ctx)
	return nil
}

// hand hands a chunk out. While the one before is handled, what comes goes along with
// it: each message that came alone says that nothing is behind it, and a handler that is
// slower than they come would never catch up if it got them one by one.
func (s *subscription) hand(ctx context.Context, read chunk) error {
	for decoded := 0; ; {
		if err := s.decode(ctx, &read, decoded); err != nil {
			return err
		}
		decoded = len(read.messages)
		select {
		case s.ready <- read:
			return nil
		case <-ctx.Done():
			return nil
		default:
		}
		if !s.grow(ctx, &read) {
			s.send(ctx, read)
			return nil
		}
	}
}

// grow adds one message if one comes soon. It returns false when none can be added: the
// chunk is full, or the consumer is lost, and the next one is for the next chunk.
func (s *subscription) grow(ctx context.Context, read *chunk) bool {
	if len(read.messages) >= s.config.BatchSize || s.feed.messages == nil { // lost while it was filled
		return false
	}
	soon, cancel := context.WithTimeout(ctx, growWait)
	defer cancel()
	m, pending, err := s.feed.next(soon)
	if err == nil {
		read.messages = append(read.messages, m)
		read.end, read.pending = s.feed.position, pending
	}
	return err == nil || errors.Is(err, errQuiet)
}

// decode says what messages of a chunk mean, from one on. It does so here, beside the
// handler of the chunk before.
func (s *subscription) decode(ctx context.Context, read *chunk, from int) error {
	if !s.config.decode || from == len(read.messages) {
		return nil
	}
	more, broken := toBatch(chunk{messages: read.messages[from:], end: read.end, pending: read.pending})
	if !s.config.sealed {
		if err := s.log.keys.openAll(ctx, more.Events); err != nil {
			return err
		}
	}
	more.Events = append(read.batch.Events, more.Events...)
	read.batch, read.broken = more, append(read.broken, broken...)
	return nil
}

// reportEnd sends the stated end behind the chunk that reached it.
func (s *subscription) reportEnd(ctx context.Context) {
	if s.stated == nil || s.feed.position.Sequence < s.stated.end.Sequence {
		return
	}
	if s.feed.position.Sequence == s.stated.end.Sequence {
		s.stated.end.ID = s.feed.position.ID
	}
	s.send(ctx, *s.stated)
	s.stated = nil
}

// fill waits for a first message until the next check is due, then takes what
// comes within MaxWait, and does not wait at the end of the stream.
func (s *subscription) fill(ctx context.Context) (chunk, error) {
	patience, cancel := context.WithDeadline(ctx, s.nextCheck)
	first, pending, err := s.feed.next(patience)
	cancel()
	if err != nil {
		return chunk{}, err
	}
	read := chunk{messages: []*jetstream.RawStreamMsg{first}}
	waiting, cancel := context.WithTimeout(ctx, s.config.MaxWait)
	defer cancel()
	for len(read.messages) < s.config.BatchSize && pending > 0 && err == nil {
		var m *jetstream.RawStreamMsg
		var behind uint64
		if m, behind, err = s.feed.next(waiting); err == nil {
			read.messages = append(read.messages, m)
			pending = behind
		}
	}
	read.end, read.pending = s.feed.position, pending
	return read, nil
}

// check compares the position with the server's stream, and remembers the end
// that it stated.
func (s *subscription) check(ctx context.Context) error {
	conn := s.log.js.Conn()
	if !conn.IsConnected() {
		return nil
	}
	if conn.Stats().Reconnects != s.feed.reconnects {
		_ = s.feed.lose(ctx, errors.New("the connection was made anew"))
		return nil
	}
	asked := time.Now()
	end, err := s.log.check(ctx, s.feed.position)
	if err != nil {
		return s.judge(ctx, err)
	}
	s.feed.suspect = time.Time{}
	if end.Sequence > s.feed.position.Sequence && s.quiet {
		return s.lookBehind(ctx, end, asked)
	}
	s.state(end, asked)
	return nil
}

func (s *subscription) state(end eventlog.Position, asked time.Time) {
	if s.config.idle {
		s.stated = &chunk{end: end, stated: asked}
	}
}

// judge ends the subscription for a gap, and lets everything else pass.
func (s *subscription) judge(ctx context.Context, err error) error {
	if final := s.feed.verdict(err); final != nil {
		return final
	}
	if ctx.Err() == nil {
		s.feed.logger.Warn("end of stream is not known", "error", err)
	}
	return nil
}

// lookBehind is for a stream that goes on past the position while nothing comes.
// Either what follows was deleted or has expired, and this is the end; or the
// consumer is stuck.
func (s *subscription) lookBehind(ctx context.Context, end eventlog.Position, asked time.Time) error {
	request := getRequest{Sequence: s.feed.position.Sequence + 1, NextFor: ">"}
	_, err := s.log.fromLeader(ctx, end.Stream, request)
	switch {
	case errors.Is(err, eventlog.ErrNotFound):
		s.feed.position.Sequence, s.feed.position.ID = end.Sequence, ""
		s.state(end, asked)
	case err == nil:
		_ = s.feed.lose(ctx, errors.New("messages wait but none comes"))
	}
	return nil
}

func (s *subscription) send(ctx context.Context, c chunk) {
	select {
	case s.ready <- c:
	case <-ctx.Done():
	}
}
