package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// ErrTooLarge says that a fact's payload exceeds MaxPayload.
var ErrTooLarge = errors.New("events: payload too large")

// currentVersion is the version that Encode writes of each type.
const currentVersion = 1

// Encode turns an envelope into the message that carries it, on the subject of
// its user or, for a touch, of its session. An Unknown comes out as it went in.
func Encode(e Envelope) (Message, error) {
	if unknown, ok := e.Event.(Unknown); ok {
		return unknown.Message, nil
	}
	key := e.Event.SessionKey()
	if err := errors.Join(validateKey(e.Event), validateMessageID(e.ID)); err != nil {
		return Message{}, err
	}
	data, err := json.Marshal(e.Event)
	if err != nil {
		return Message{}, fmt.Errorf("events: encode %s: %w", e.Event.EventType(), err)
	}
	limit := MaxPayload
	if SealedWith(e.Event) != "" {
		limit = maxSealedPayload
	}
	if len(data) > limit {
		return Message{}, fmt.Errorf("%w: %s of session %q has %d bytes, at most %d are allowed",
			ErrTooLarge, e.Event.EventType(), key.Session, len(data), limit)
	}
	return Message{Subject: subjectOf(e.Event), Header: header(e), Data: data}, nil
}

func subjectOf(e Event) string {
	key := e.SessionKey()
	if e.EventType() == TypeTouched {
		return TouchSubject(key)
	}
	return SessionSubject(key.Tenant, key.User)
}

func header(e Envelope) map[string][]string {
	return headerOf(e.ID, e.Source, e.Time, versionedType(e.Event.EventType(), currentVersion))
}

func headerOf(id, source string, at time.Time, versioned string) map[string][]string {
	return map[string][]string{
		HeaderMsgID:           {id},
		HeaderSpecVersion:     {specVersion},
		HeaderID:              {id},
		HeaderType:            {versioned},
		HeaderSource:          {source},
		HeaderTime:            {at.UTC().Format(timeLayout)},
		HeaderDataContentType: {contentTypeJSON},
	}
}

// WireType is the type and version that an event has on the wire, such as
// "session.revoked.v1": that of the form that Encode writes, and "" for an Unknown
// that never was an event.
func WireType(e Event) string {
	unknown, ok := e.(Unknown)
	switch {
	case !ok:
		return versionedType(e.EventType(), currentVersion)
	case unknown.Type == "":
		return ""
	default:
		return versionedType(unknown.Type, unknown.Version)
	}
}

func versionedType(t Type, version int) string {
	return string(t) + ".v" + strconv.Itoa(version)
}
