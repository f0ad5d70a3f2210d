package natslog

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// expiryLeeway is how long a revocation outlives its session: gateways accept a
// token for a little while after its expiry, and their clocks differ.
const expiryLeeway = time.Minute

// PublishRevocations stores revocations in order; see eventlog.Revocations. The
// message id is "rev-<epoch>-<tenant's token>-<POS_SESSIONS sequence>-<session's token>",
// so what several relays publish is stored once; a POS_SESSIONS that was made anew,
// whose sequences begin again, is not taken for the old one; and what was purged is
// not taken for what is there: a server remembers ids for longer than messages. A
// session that expired a minute ago needs no refusal any more and is skipped.
func (l *Log) PublishRevocations(ctx context.Context, epoch string, revocations []events.Revocation) error {
	now := l.config.Now()
	messages := make([]*nats.Msg, 0, len(revocations))
	for _, r := range revocations {
		lifetime := r.Expires.Time().Add(expiryLeeway).Sub(now)
		if lifetime <= 0 {
			continue
		}
		data, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("natslog: encode revocation of session %q: %w", r.Session, err)
		}
		messages = append(messages, &nats.Msg{
			Subject: events.RevocationSubject(r.Tenant),
			Data:    data,
			Header: nats.Header{
				events.HeaderMsgID:     {revocationID(epoch, &r)},
				jetstream.MsgTTLHeader: {wholeSeconds(lifetime)},
			},
		})
	}
	if len(messages) < 2 || l.publishTogether(ctx, messages) != nil {
		if err := l.publishAll(ctx, messages); err != nil {
			return unavailable("publish revocations", err)
		}
	}
	l.metrics.revoked.Add(float64(len(messages)))
	return nil
}

// publishTogether stores messages as one atomic batch, which a server that syncs
// what it writes does ten times as fast as one by one. It refuses a batch with a
// message that it has, as another relay's would be.
func (l *Log) publishTogether(ctx context.Context, messages []*nats.Msg) error {
	ctx, cancel := bounded(ctx, attemptTimeout)
	defer cancel()
	batch := make([]*nats.Msg, len(messages))
	for i, m := range messages {
		batch[i] = &nats.Msg{Subject: m.Subject, Data: m.Data, Header: maps.Clone(m.Header)} // which is written to
	}
	_, err := jetstreamext.PublishMsgBatch(ctx, l.js, batch, jetstreamext.BatchFlowControl{AckFirst: false})
	return err
}

func revocationID(epoch string, r *events.Revocation) string {
	return fmt.Sprintf("rev-%s-%s-%d-%s", epoch, events.EncodeToken(r.Tenant), r.Sequence, events.EncodeToken(r.Session))
}

// wholeSeconds rounds up: the server takes no TTL below a second, and a
// revocation must not vanish before its session does.
func wholeSeconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

// PublishTick stores a tick in place of the last one; see eventlog.Revocations.
func (l *Log) PublishTick(ctx context.Context, tick events.Tick, replaces uint64) (at uint64, err error) {
	data, err := json.Marshal(tick)
	if err != nil {
		return 0, fmt.Errorf("natslog: encode tick: %w", err)
	}
	ctx, cancel := bounded(ctx, attemptTimeout)
	defer cancel()
	message := &nats.Msg{
		Subject: events.SubjectTick, Data: data,
		Header: nats.Header{
			jetstream.MsgRollup:                 {jetstream.MsgRollupSubject},
			jetstream.ExpectedLastSubjSeqHeader: {strconv.FormatUint(replaces, 10)},
		},
	}
	ack, err := l.js.PublishMsg(ctx, message)
	switch {
	case err == nil:
		return ack.Sequence, nil
	case hasCode(err, codeConflict, codeConflictInFlight):
		return 0, fmt.Errorf("%w: the last tick is not at %d: %w", eventlog.ErrConflict, replaces, err)
	default:
		return 0, unavailable("publish tick", err)
	}
}

// LastTick returns the newest tick and where it stands, or eventlog.ErrNotFound.
func (l *Log) LastTick(ctx context.Context) (tick events.Tick, at uint64, err error) {
	last, err := l.fromLeader(ctx, events.StreamRevocations, getRequest{LastFor: events.SubjectTick})
	if err != nil {
		return events.Tick{}, 0, err
	}
	tick, err = events.DecodeTick(last.Data)
	return tick, last.Sequence, err
}
