package eventlog

import (
	"context"
	"time"

	"github.com/posse-pos/posse/events"
)

// Noted is a fact of POS_AUDIT in its place.
type Noted struct {
	events.AuditEnvelope

	Sequence uint64
	Time     time.Time // when the log stored it
}

// Trail is what was done with the history itself: the stream POS_AUDIT.
type Trail interface {
	// Note stores a fact and returns its sequence once it is stored. Noting one that
	// was stored within the last minutes stores nothing and returns the same
	// sequence. Errors: ErrNotFound (the stream is not there), ErrUnavailable.
	Note(ctx context.Context, fact events.AuditEnvelope) (uint64, error)
	// Notes returns at most limit facts from a sequence on, in order, none at the
	// end. A message that is no fact comes out as an events.UnknownAudit without a
	// type. Errors: ErrNotFound, ErrUnavailable.
	Notes(ctx context.Context, from uint64, limit int) ([]Noted, error)
}
