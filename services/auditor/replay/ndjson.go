package replay

import (
	"bytes"
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// NDJSON writes one JSON object a line (RFC 8259 without line breaks). The event
// stands in it as its schema in events/schemas has it.
type NDJSON struct{}

var _ Encoder = NDJSON{}

// jsonFact is a line. What a message lacks that is not an event is left out.
type jsonFact struct {
	Sequence uint64    `json:"sequence"`
	Stored   time.Time `json:"stored"`
	ID       string    `json:"id,omitempty"`
	Type     string    `json:"type,omitempty"`
	Source   string    `json:"source,omitempty"`
	Time     time.Time `json:"time,omitzero"`
	// Subject is of messages that posse does not know.
	Subject string `json:"subject,omitempty"`
	Event   any    `json:"event,omitempty"`
	// Data is the payload of a message that is not JSON, in base64.
	Data []byte `json:"data_base64,omitempty"`
}

// Header implements Encoder.
func (NDJSON) Header() string { return "" }

// Append implements Encoder.
func (NDJSON) Append(line []byte, fact eventlog.Recorded) ([]byte, error) {
	object := jsonFact{
		Sequence: fact.Sequence, Stored: fact.Time, ID: fact.ID,
		Type: events.WireType(fact.Event), Source: fact.Source, Time: fact.Envelope.Time, Event: fact.Event,
	}
	if unknown, ok := fact.Event.(events.Unknown); ok {
		object.Subject, object.Event = unknown.Message.Subject, nil
		if payload, ok := compactJSON(unknown.Message.Data); ok {
			object.Event = payload
		} else {
			object.Data = unknown.Message.Data
		}
	}
	return appendJSON(line, object)
}

// compactJSON returns a payload on one line, if it is JSON.
func compactJSON(payload []byte) (json.RawMessage, bool) {
	var compact bytes.Buffer
	if !utf8.Valid(payload) || json.Compact(&compact, payload) != nil {
		return nil, false
	}
	return compact.Bytes(), true
}

// appendJSON appends a value and the end of its line. The characters that only HTML
// minds stay as they are.
func appendJSON(line []byte, value any) ([]byte, error) {
	buffer := bytes.NewBuffer(line)
	encoder := json.NewEncoder(buffer)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return buffer.Bytes(), err
}
