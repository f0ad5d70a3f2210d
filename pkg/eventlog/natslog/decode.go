package natslog

import (
	"github.com/go-json-experiment/json"
	jsonv1 "github.com/go-json-experiment/json/v1"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

const headerPending = "Nats-Num-Pending"

// directGetHeaders are put on a message by the server that answers a direct
// get; they are not part of it.
var directGetHeaders = []string{
	jetstream.StreamHeader, jetstream.SequenceHeader, jetstream.TimeStampHeaer, jetstream.SubjectHeader,
	headerPending, jetstream.LastSequenceHeader, "Nats-UpTo-Sequence",
}

func stripDirectGet(m *jetstream.RawStreamMsg) {
	for _, name := range directGetHeaders {
		delete(m.Header, name)
	}
}

// decoder reads JSON by the rules of encoding/json, but for the text of errors, in a
// third of the time (ADR 37).
var decoder = events.Decoder{Unmarshal: func(data []byte, into any) error {
	return json.Unmarshal(data, into, likeEncodingJSON)
}}

var likeEncodingJSON = json.JoinOptions(jsonv1.DefaultOptionsV1(), jsonv1.ReportErrorsWithLegacySemantics(false))

// decode reads a stored message. The error wraps events.ErrMalformed.
func decode(stream string, m *jetstream.RawStreamMsg) (eventlog.Recorded, error) {
	envelope, err := decoder.Decode(events.Message{Subject: m.Subject, Header: m.Header, Data: m.Data})
	if err != nil {
		return eventlog.Recorded{}, err
	}
	return eventlog.Recorded{Envelope: envelope, Stream: stream, Sequence: m.Sequence, Time: m.Time.UTC()}, nil
}
