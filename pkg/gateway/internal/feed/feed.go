// Package feed is what a gateway needs of the outside: POS_REVOCATIONS from its
// first message on, and somewhere to send touches and its status. The one over
// NATS is in natsfeed, one without NATS in gatewaytest.
package feed

import (
	"context"
	"errors"
	"time"

	"github.com/posse-pos/posse/events"
)

// ErrRestart says that a feed cannot go on without a gap: the stream is not the
// one that it was.
var ErrRestart = errors.New("gateway: revocation stream was made anew")

// Unproven is the Within of a message of which it is not known how long ago it
// was written.
const Unproven time.Duration = -1

// Message is one message of POS_REVOCATIONS.
type Message struct {
	Subject string
	Data    []byte
	// Within says that the message was written at most so long before it is handed
	// over; Unproven if that is not known.
	Within time.Duration
	// Stored is when NATS stored it, by the clock there; zero if that is not known.
	Stored time.Time
}

// Sink takes the messages of one run of Follow, in the stream's order, from one
// goroutine.
type Sink interface {
	// Apply takes the next message. It returns true to ask that the following
	// ones come with a proof of their age.
	Apply(m Message) (wantsProof bool)
	// CaughtUp says that everything was applied that the stream held when it was
	// asked. It may be said more than once.
	CaughtUp()
}

// Feed connects a gateway. Its methods may be called at the same time.
type Feed interface {
	// Follow applies the stream from its first message on, and then what comes,
	// without a gap and through interruptions, until ctx ends or it cannot go on
	// without a gap.
	Follow(ctx context.Context, sink Sink) error
	// PublishTouches stores touches and returns an error for each one that is not
	// known to be stored.
	PublishTouches(ctx context.Context, messages []events.Message) []error
	// RollCalls calls when somebody asks for the status, until stop is called. Calls
	// may be lost.
	RollCalls(call func()) (stop func(), err error)
	// PublishStatus sends without waiting.
	PublishStatus(subject string, data []byte) error
	// Close ends the feed after Follow has returned.
	Close()
}
