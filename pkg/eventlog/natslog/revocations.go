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
)

// expiryLeeway is how long a revocation outlives its session: gateways accept a
// token for a little while after its expiry, and their clocks differ.
const expiryLeeway = time.Minute

// PublishRevocations stores revocations in order; see eventlog.Revocations. The
// message id is "rev-<tenant's token>-<POS_SESSIONS sequence>-<session's token>",
// so what several relays publish is stored once, and a POS_SESSIONS that was made
// anew, whose sequences begin again, is not taken for the old one. A session that
// expired a minute ago needs no refusal any more and is skipped.
func (l *Log) PublishRevocations(ctx context.Context, revocations []events.Revocation) error {
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
				events.HeaderMsgID:     {revocationID(&r)},
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

func revocationID(r *events.Revocation) string {
	return "rev-" + events.EncodeToken(r.Tenant) + "-" + strconv.FormatUint(r.Sequence, 10) + "-" + events.EncodeToken(r.Session)
}

// wholeSeconds rounds up: the server takes no TTL below a second, and a
// revocation must not vanish before its session does.
func wholeSeconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

// PublishTick stores a tick in place of the last one, whoever sent that.
func (l *Log) PublishTick(ctx context.Context, tick events.Tick) error {
	data, err := json.Marshal(tick)
	if err != nil {
		return fmt.Errorf("natslog: encode tick: %w", err)
	}
	ctx, cancel := bounded(ctx, attemptTimeout)
	defer cancel()
	message := &nats.Msg{
		Subject: events.SubjectTick, Data: data,
		Header: nats.Header{jetstream.MsgRollup: {jetstream.MsgRollupSubject}},
	}
	if _, err := l.js.PublishMsg(ctx, message); err != nil {
		return unavailable("publish tick", err)
	}
	return nil
}

// LastTick returns the newest tick, or eventlog.ErrNotFound.
func (l *Log) LastTick(ctx context.Context) (events.Tick, error) {
	last, err := l.fromLeader(ctx, events.StreamRevocations, getRequest{LastFor: events.SubjectTick})
	if err != nil {
		return events.Tick{}, err
	}
	return events.DecodeTick(last.Data)
}
