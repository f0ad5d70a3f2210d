package replay

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// Query says which facts to replay. The zero Query means all that the log holds.
type Query struct {
	// Since and Until bound when the log stored a fact: from the first one stored
	// at Since or later, up to but without the first one stored at Until or later.
	// The zero time means no bound.
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
	// From is the first sequence; 0 means the first that there is.
	From uint64 `json:"from,omitzero"`
	// AtEnd leaves out everything that the log holds when the replay begins, for one
	// that follows.
	AtEnd bool `json:"at_end,omitempty"`
	// Tenant and User are compared by the server; "" means any.
	Tenant string `json:"tenant,omitempty"`
	User   string `json:"user,omitempty"`
	// Session, Types, Cause and Actor are compared here; empty means any. Cause is
	// of revocations and Actor (the id of the user who did it) of those and of forgotten
	// users, so they leave out all other facts.
	Session string        `json:"session,omitempty"`
	Types   []events.Type `json:"types,omitempty"`
	Cause   events.Cause  `json:"cause,omitempty"`
	Actor   string        `json:"actor,omitempty"`
	// Limit is the most facts; 0 means no limit.
	Limit uint64 `json:"limit,omitzero"`
	// Follow goes on, with what the log stores later, until the context ends.
	Follow bool `json:"follow,omitempty"`
}

// ParseMoment reads a time in RFC 3339, or a day, which is its midnight in UTC. Only
// absolute times: "an hour ago" would not give the same bytes twice. An offset may not
// carry it out of the years 0 to 9999 in UTC, beyond which RFC 3339 writes none.
func ParseMoment(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if moment, err := time.Parse(layout, text); err == nil && isYear(moment.UTC().Year()) {
			return moment.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%.64q is not a time such as 2026-03-14T09:26:53Z or a day such as 2026-03-14", text)
}

func isYear(year int) bool { return year >= 0 && year <= 9999 }

// ErrInvalidQuery says that a query contradicts itself.
var ErrInvalidQuery = errors.New("replay: invalid query")

// Validate reports what is wrong with a query. The error wraps ErrInvalidQuery.
func (q Query) Validate() error {
	if q.Follow && !q.Until.IsZero() {
		return fmt.Errorf("%w: it cannot follow the log and end at %s", ErrInvalidQuery, q.Until.Format(time.RFC3339))
	}
	if q.AtEnd && (!q.Follow || q.From != 0 || !q.Since.IsZero()) {
		return fmt.Errorf("%w: one that begins at the end follows, and begins nowhere else", ErrInvalidQuery)
	}
	if !q.Until.IsZero() && !q.Since.Before(q.Until) {
		return fmt.Errorf("%w: since %s is not before until %s", ErrInvalidQuery,
			q.Since.Format(time.RFC3339), q.Until.Format(time.RFC3339))
	}
	return q.validateWords()
}

// validateWords keeps what is compared to what can be noted of a read.
func (q Query) validateWords() error {
	if len(q.Types) > events.MaxAuditTypes {
		return fmt.Errorf("%w: %d types, at most %d are allowed", ErrInvalidQuery, len(q.Types), events.MaxAuditTypes)
	}
	words := [][2]string{
		{"tenant", q.Tenant}, {"user", q.User}, {"session", q.Session}, {"cause", string(q.Cause)}, {"actor", q.Actor},
	}
	for _, name := range q.Types {
		words = append(words, [2]string{"type", string(name)})
	}
	for _, word := range words {
		if word[1] == "" {
			continue
		}
		if err := events.ValidateID(word[0], word[1]); err != nil {
			return fmt.Errorf("%w: %w", ErrInvalidQuery, err)
		}
	}
	return nil
}

// Filter is the query as a read of the history is recorded.
func (q Query) Filter() events.AuditFilter {
	filter := events.AuditFilter{
		Since: rfc3339(q.Since), Until: rfc3339(q.Until), FromSeq: q.From, AtEnd: q.AtEnd, User: q.User, Session: q.Session,
		Cause: string(q.Cause), Actor: q.Actor, Limit: q.Limit,
	}
	for _, name := range q.Types {
		filter.Types = append(filter.Types, string(name))
	}
	return filter
}

func (q Query) equal(other Query) bool {
	return q.Since.Equal(other.Since) && q.Until.Equal(other.Until) && q.From == other.From && q.AtEnd == other.AtEnd &&
		q.Tenant == other.Tenant && q.User == other.User && q.Session == other.Session &&
		slices.Equal(q.Types, other.Types) && q.Cause == other.Cause && q.Actor == other.Actor &&
		q.Limit == other.Limit && q.Follow == other.Follow
}

// matches compares what the server did not.
func (q Query) matches(fact eventlog.Recorded) bool {
	if q.Session != "" && fact.Event.SessionKey().Session != q.Session {
		return false
	}
	if len(q.Types) > 0 && !slices.Contains(q.Types, fact.Event.EventType()) {
		return false
	}
	if q.Cause == "" && q.Actor == "" {
		return true
	}
	var cause events.Cause
	var actor events.Actor
	switch event := fact.Event.(type) {
	case events.Revoked:
		cause, actor = event.Cause, event.Actor
	case events.Forgotten:
		actor = event.Actor
	}
	return (q.Cause == "" || cause == q.Cause) && (q.Actor == "" || actor.User == q.Actor)
}
