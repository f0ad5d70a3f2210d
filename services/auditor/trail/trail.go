// Package trail reads back what was done with the history itself: who read it, and
// what was swept of it, from POS_AUDIT, in its order.
//
// A page of it at a time is in memory. Reading the trail is not recorded.
package trail

import (
	"context"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

const pageSize = 500

// Log is what reading the trail needs of the log.
type Log interface {
	eventlog.Trail
	// SequenceAt is that of an eventlog.Selector.
	SequenceAt(ctx context.Context, stream string, moment time.Time) (uint64, error)
}

// Query says which notes to read. The zero Query means all.
type Query struct {
	// Tenant is whose history was dealt with, "" for anybody's. What was done with the
	// history of all tenants is among each one's.
	Tenant string
	// Since and Until bound when the log stored a note: at Since or later, and before
	// Until. The zero time means no bound.
	Since, Until time.Time
	// Limit is the most notes; 0 means no limit.
	Limit uint64
}

func (q Query) matches(note eventlog.Noted) bool {
	tenant := note.Fact.AuditTenant()
	return q.Tenant == "" || tenant == "" || tenant == q.Tenant
}

// Read hands over the notes that there are now, oldest first. Its errors are those
// of the log and of add.
func Read(ctx context.Context, log Log, query Query, add func(eventlog.Noted) error) error {
	from, err := start(ctx, log, query)
	if err != nil {
		return err
	}
	for written := uint64(0); ; {
		page, err := log.Notes(ctx, from, pageSize)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, note := range page {
			if !query.Until.IsZero() && !note.Time.Before(query.Until) {
				return nil
			}
			if !query.matches(note) {
				continue
			}
			if err := add(note); err != nil {
				return err
			}
			written++
			if written == query.Limit {
				return nil
			}
		}
		from = page[len(page)-1].Sequence + 1
	}
}

func start(ctx context.Context, log Log, query Query) (uint64, error) {
	if query.Since.IsZero() {
		return 1, nil
	}
	return log.SequenceAt(ctx, events.StreamAudit, query.Since)
}
