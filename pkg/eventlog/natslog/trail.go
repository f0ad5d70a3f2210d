package natslog

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

var _ eventlog.Trail = (*Log)(nil)

// Note stores a fact of POS_AUDIT; see eventlog.Trail. The error wraps ErrDenied if
// the user may not publish it.
func (l *Log) Note(ctx context.Context, fact events.AuditEnvelope) (uint64, error) {
	m, err := events.EncodeAudit(fact)
	if err != nil {
		return 0, fmt.Errorf("natslog: note: %w", err)
	}
	ctx, cancel := bounded(ctx, appendPatience)
	defer cancel()
	sequence, err := backoff.Retry(ctx, func() (uint64, error) {
		sequence, err := l.note(ctx, m)
		if errors.Is(err, ErrDenied) || errors.Is(err, eventlog.ErrNotFound) || isRefusal(err) {
			return 0, backoff.Permanent(err)
		}
		return sequence, err
	}, forever(firstRetry, lastRetry)...)
	switch {
	case err == nil:
		return sequence, nil
	case errors.Is(err, ErrDenied), errors.Is(err, eventlog.ErrNotFound):
		return 0, fmt.Errorf("note on %s: %w", m.Subject, err)
	default:
		return 0, unavailable("note on "+m.Subject, errors.Join(err, context.Cause(ctx)))
	}
}

func (l *Log) note(ctx context.Context, m events.Message) (uint64, error) {
	ctx, cancel := bounded(ctx, attemptTimeout)
	defer cancel()
	message := &nats.Msg{Subject: m.Subject, Header: maps.Clone(m.Header), Data: m.Data}
	ack, err := l.js.PublishMsg(ctx, message)
	if errors.Is(err, jetstream.ErrNoStreamResponse) {
		return 0, noStream(events.StreamAudit)
	}
	if err != nil {
		return 0, l.refused(m.Subject, err)
	}
	return ack.Sequence, nil
}

// Notes returns facts of POS_AUDIT; see eventlog.Trail. On a replicated stream the
// end that a replica answers with is compared with the leader's.
func (l *Log) Notes(ctx context.Context, from uint64, limit int) ([]eventlog.Noted, error) {
	if limit < 1 {
		return nil, fmt.Errorf("natslog: read of %d notes, want at least 1", limit)
	}
	state, err := l.State(ctx, events.StreamAudit)
	if err != nil {
		return nil, err
	}
	messages, _, err := l.selected(ctx, selecting{
		stream: events.StreamAudit, subject: events.SubjectAudit,
		from: max(from, 1), upTo: state.Last, limit: min(limit, pageSize),
	})
	if err != nil {
		return nil, err
	}
	notes := make([]eventlog.Noted, 0, len(messages))
	for _, m := range messages[:min(limit, len(messages))] {
		notes = append(notes, decodeNote(m))
	}
	return notes, nil
}

func decodeNote(m *jetstream.RawStreamMsg) eventlog.Noted {
	message := events.Message{Subject: m.Subject, Header: m.Header, Data: m.Data}
	fact, err := events.DecodeAudit(message)
	if err != nil {
		tenant, _ := events.AuditSubjectTenant(m.Subject) // "" if there is none
		fact = events.AuditEnvelope{ID: idOf(m.Header), Fact: events.UnknownAudit{Tenant: tenant, Message: message}}
	}
	return eventlog.Noted{AuditEnvelope: fact, Sequence: m.Sequence, Time: m.Time.UTC()}
}
