package natslog

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
)

// Headers of a message in POS_QUARANTINE. Its payload is the original's.
const (
	HeaderQuarantineSubject  = "Posse-Original-Subject"
	HeaderQuarantineStream   = "Posse-Original-Stream"
	HeaderQuarantineSequence = "Posse-Original-Sequence"
	HeaderQuarantineTime     = "Posse-Original-Time"
	// HeaderQuarantineHeaders holds the original headers as JSON, because as
	// headers some of them would act on this stream.
	HeaderQuarantineHeaders = "Posse-Original-Headers"
	HeaderQuarantineReason  = "Posse-Reason"
	HeaderQuarantineSource  = "Posse-Source"
)

const (
	maxReason          = 1024
	maxOriginalHeaders = 32 << 10
)

// rejected is a message that could not be decoded.
type rejected struct {
	message *jetstream.RawStreamMsg
	reason  error
}

// quarantine stores rejected messages. Its message id is the original's place,
// so every follower may do it and it happens once.
func (l *Log) quarantine(ctx context.Context, publisher message.Publisher, follower, stream string, all []rejected) error {
	if len(all) == 0 {
		return nil
	}
	messages := make([]*message.Message, len(all))
	for i, r := range all {
		messages[i] = l.quarantined(ctx, stream, r)
	}
	if err := publisher.Publish(events.QuarantineSubject(stream), messages...); err != nil {
		return err
	}
	for _, r := range all {
		l.metrics.quarantined.WithLabelValues(stream, follower).Inc()
		l.logger.Warn("message quarantined", "follower", follower, "stream", stream,
			"sequence", r.message.Sequence, "subject", r.message.Subject, "reason", r.reason)
	}
	return nil
}

func (l *Log) quarantined(ctx context.Context, stream string, r rejected) *message.Message {
	sequence := strconv.FormatUint(r.message.Sequence, 10)
	m := message.NewMessageWithContext(ctx, stream+"-"+sequence, r.message.Data)
	m.Metadata = message.Metadata{
		HeaderQuarantineSubject:  r.message.Subject,
		HeaderQuarantineStream:   stream,
		HeaderQuarantineSequence: sequence,
		HeaderQuarantineTime:     r.message.Time.UTC().Format(time.RFC3339Nano),
		HeaderQuarantineHeaders:  originalHeaders(r.message),
		HeaderQuarantineReason:   headerText(r.reason.Error(), maxReason),
		HeaderQuarantineSource:   headerText(l.config.Source, maxReason),
	}
	return m
}

func originalHeaders(m *jetstream.RawStreamMsg) string {
	text, err := json.Marshal(m.Header)
	if err != nil || len(text) > maxOriginalHeaders {
		return "null"
	}
	return string(text)
}

// headerText cuts text to what fits on one header line.
func headerText(s string, limit int) string {
	s = strings.NewReplacer("\r", " ", "\n", " ").Replace(s)
	return strings.ToValidUTF8(s[:min(len(s), limit)], "")
}
