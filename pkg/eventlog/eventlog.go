// Package eventlog is the port to the log of facts, the only truth of posse.
//
// A log is a set of streams (see the names in package events). POS_SESSIONS
// holds one history per user, appended to under an expectation; POS_TOUCHES
// keeps the last activity of each session; POS_REVOCATIONS carries what
// gateways must refuse. Everything else is a fold of these. POS_AUDIT, the [Trail],
// holds what was done with the history itself.
//
// The package holds no implementation and imports package events only; natslog
// is the real one and eventlogtest the suite that every implementation passes.
package eventlog

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/posse-pos/posse/events"
)

var (
	// ErrConflict says that somebody else appended to the user's history after
	// the sequence that the caller expected: reload, decide again, retry.
	ErrConflict = errors.New("eventlog: the user's history moved on")
	// ErrGap says that a reader's position cannot be continued: the log starts
	// after it, ends before it, or is another log than the one it was taken in.
	// What a fold made of it so far can no longer be trusted to become complete.
	ErrGap = errors.New("eventlog: position does not continue in this log")
	// ErrUnavailable says that the log could not be reached or did not answer in
	// time. Whether an append happened is then unknown; repeating it with the
	// same envelope ids is safe.
	ErrUnavailable = errors.New("eventlog: log is unavailable")
	// ErrFull says that the log has no room for what was to be stored. Nothing was
	// stored, and trying again is of no use before somebody has made room.
	ErrFull = errors.New("eventlog: log is full")
	// ErrNotFound says that there is no such message.
	ErrNotFound = errors.New("eventlog: not found")
)

// Position is a place in one stream. It names the message, not only its number,
// so that a stream that was recreated or rolled back is noticed.
type Position struct {
	Stream   string    // name of the stream
	Created  time.Time // when that stream was created
	Sequence uint64    // 0: before the first message
	ID       string    // Nats-Msg-Id of the message at Sequence, "" for 0
}

// Recorded is a fact in its place.
type Recorded struct {
	events.Envelope

	Stream   string
	Sequence uint64
	Time     time.Time // when the log stored it
}

// Batch is a run of consecutive messages of a stream, in order. Messages that
// could not be decoded went to quarantine and are not among Events; End covers
// them all the same.
type Batch struct {
	Events  []Recorded
	End     Position
	Pending uint64 // messages that were waiting behind this batch
}

// State is the extent of a stream.
type State struct {
	Created     time.Time
	First, Last uint64 // Last is First-1 when it is empty
	LastTime    time.Time
	Missing     uint64 // how many messages between First and Last are gone
}

// Stored is a message as it lies in a stream, whether it says anything or not.
type Stored struct {
	events.Message

	Sequence uint64
	Time     time.Time // when the log stored it, to the nanosecond
}

// RawReader reads what is stored, for those who prove that it did not change.
type RawReader interface {
	// Stored returns at most limit messages of a stream, from a sequence on, none
	// at its end. One that is gone is left out. A replica that lags may show the
	// end early. Errors: ErrUnavailable.
	Stored(ctx context.Context, stream string, from uint64, limit int) ([]Stored, error)
	// State returns the extent of a stream. Errors: ErrNotFound, ErrUnavailable.
	State(ctx context.Context, stream string) (State, error)
}

// Expectation is what an append relies on.
type Expectation struct {
	// LastSequence is the sequence of the last fact of the user that the caller
	// saw, 0 for none.
	LastSequence uint64
	// Strict makes an earlier append of the same ids a conflict like any other, for a
	// caller that decides again from what is stored. What another call stored under those
	// ids may say something else, such as another time. Otherwise it counts as this append.
	Strict bool
}

// Selection is a part of POS_SESSIONS.
type Selection struct {
	// Tenant and User are whose facts to return; "" means everybody's. A User
	// without a Tenant is the user of that id in every tenant.
	Tenant, User string
	// From and UpTo are the first and the last sequence to return. 0 means the
	// first, and the last, that there is.
	From, UpTo uint64
	// Limit is the most messages in a page, at least 1. Fewer may come, and none.
	Limit int
}

// Appender writes facts of one user. What they say about the person is encrypted
// with keys of that user's before it is stored (see events.Seal), and every read
// decrypts it. Where the key is gone, or an events.Forgotten before the fact names
// it, the fact comes as it is stored, without its personal data.
type Appender interface {
	// Append stores the facts of one user, all or none, in order, and returns
	// the sequence of the last one. A nil expectation relies on nothing. One to
	// events.MaxActiveSessions facts, all of the same tenant and user, none a
	// touch. Repeating an append that happened returns the same sequence, unless the
	// expectation is strict.
	// Errors: ErrConflict, ErrFull, ErrUnavailable.
	Append(ctx context.Context, facts []events.Envelope, expect *Expectation) (uint64, error)
	// Touch stores last activities and returns when all are acknowledged. Only
	// the newest of each session is kept. Errors: ErrFull, ErrUnavailable.
	Touch(ctx context.Context, touches []events.Envelope) error
}

// Reader reads without following.
type Reader interface {
	// User returns the facts of one user after a sequence, oldest first.
	User(ctx context.Context, tenant, user string, after uint64) ([]Recorded, error)
	// LastSequence returns the sequence of a user's newest fact, 0 for none: what
	// an Expectation names. It reads no history.
	LastSequence(ctx context.Context, tenant, user string) (uint64, error)
	// LastTouch returns a session's newest activity, or ErrNotFound.
	LastTouch(ctx context.Context, key events.Key) (Recorded, error)
	// Read returns at most limit messages of a stream, from a sequence on. Of a
	// replicated stream a replica may answer that is behind what was acknowledged.
	Read(ctx context.Context, stream string, from uint64, limit int) (Batch, error)
	// State returns the extent of a stream.
	State(ctx context.Context, stream string) (State, error)
}

// Selector reads a part of the history.
type Selector interface {
	// Scan reads facts of the users' histories, in the order of the log, page by
	// page, to the end that the selection has when it is reached. The log itself
	// leaves out those of other tenants and users. A message that is not an event
	// comes out as an events.Unknown without a type: who reads the history has to see
	// that it is there. An error is the last that is said; a scan from behind the last
	// page goes on.
	Scan(ctx context.Context, selection Selection) iter.Seq2[Batch, error]
	// SequenceAt returns the sequence of the first message of a stream that was
	// stored at a moment or later, and the one after the last if there is none.
	SequenceAt(ctx context.Context, stream string, moment time.Time) (uint64, error)
}

// Handler takes batches one after the other. An error is retried with the same
// batch, with backoff, until the context ends, unless it wraps ErrHalt.
type Handler func(ctx context.Context, batch Batch) error

// ErrHalt ends Follow when a Handler's error wraps it, with that error.
var ErrHalt = errors.New("eventlog: follower halts")

// FollowConfig says what to follow.
type FollowConfig struct {
	// Name appears in logs and metrics, for example "projector_sessions".
	Name string
	// Stream to follow. Required.
	Stream string
	// After is the position to continue from; the zero Position with Stream set
	// by Follow means from the first message. It is checked at the start and
	// whenever the connection is made anew: Follow returns an error that wraps
	// ErrGap when it does not continue.
	After Position
	// Sealed leaves personal data encrypted, for a reader that has no use for it.
	Sealed bool
	// MaxBatch is the most messages in one batch; 0 means 1000.
	MaxBatch int
	// MaxWait is how long a batch may wait to fill; 0 means 5 ms. A batch that
	// reached the end of the stream does not wait.
	MaxWait time.Duration
	// Idle, if set, is called about once a second while the follower stands at
	// the end of the stream, with the end as the server stated it.
	Idle func(ctx context.Context, end Position) error
}

// Follower hands a stream to a handler, batch by batch and in order, from a
// position on, until the context ends (nil) or it cannot go on (the error).
// Lost connections heal without an error.
type Follower interface {
	Follow(ctx context.Context, config FollowConfig, handle Handler) error
}

// Eraser destroys the keys of what facts say about people. The facts stay as they
// are.
type Eraser interface {
	// Keys returns the ids of a user's keys: what an events.Forgotten names.
	Keys(ctx context.Context, tenant, user string) ([]string, error)
	// Destroy destroys the keys that a fact names, and what POS_TOUCHES holds of the
	// user's sessions. Destroying what is destroyed changes nothing.
	Destroy(ctx context.Context, forgotten events.Forgotten) error
	// OldKeys returns which keys there are of quarters that were over at a moment.
	OldKeys(ctx context.Context, moment time.Time) ([]QuarterKeys, error)
	// DestroyQuarter destroys the keys of one quarter of all users of a tenant, and
	// returns how many there were.
	DestroyQuarter(ctx context.Context, tenant, quarter string) (int, error)
}

// QuarterKeys are the keys of a tenant's users of one quarter (see events.Quarter).
type QuarterKeys struct {
	Tenant, Quarter string
	Keys            int // at least one
}

// Revocations is the feed that gateways follow, as the relay writes it.
type Revocations interface {
	// PublishRevocations stores them in order, each once in an epoch (see
	// events.Tick.Epoch) and with a TTL until a minute after its expiry, and returns when
	// all are acknowledged.
	PublishRevocations(ctx context.Context, epoch string, revocations []events.Revocation) error
	// PublishTick stores a tick in place of the one at a sequence of POS_REVOCATIONS,
	// 0 if there is to be none, and returns where it stands. ErrConflict: the last tick
	// is another.
	PublishTick(ctx context.Context, tick events.Tick, replaces uint64) (at uint64, err error)
	// LastTick returns the newest tick and where it stands, or ErrNotFound.
	LastTick(ctx context.Context) (tick events.Tick, at uint64, err error)
}

// Log is all of it.
type Log interface {
	Appender
	Reader
	Selector
	Follower
	Eraser
	Revocations
}
