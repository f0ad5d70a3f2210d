package events

import "time"

// Type names a kind of fact. The constants are history: they do not follow a
// rename of a Go type.
type Type string

// The types of this contract.
const (
	TypeLoggedIn  Type = "session.logged_in"
	TypeRefreshed Type = "session.refreshed"
	TypeTouched   Type = "session.touched"
	TypeRevoked   Type = "session.revoked"
	TypeForgotten Type = "user.forgotten"
)

// Event is one fact: LoggedIn, Refreshed, Touched, Revoked, Forgotten or Unknown.
type Event interface {
	SessionKey() Key
	EventType() Type
	Occurred() Timestamp
}

// Envelope is a fact and its CloudEvents metadata.
type Envelope struct {
	// ID is unique per fact (ce-id) and is its Nats-Msg-Id too: 1 to MaxID bytes
	// of printable ASCII.
	ID string
	// Source says which part of posse wrote the fact (ce-source), a URI
	// reference such as "/posse/recorder".
	Source string
	// Time is when the fact happened (ce-time).
	Time  time.Time
	Event Event
}

// Message is an envelope as NATS carries it. Header has the same shape as
// nats.Header; keys are case-sensitive.
type Message struct {
	Subject string
	Header  map[string][]string
	Data    []byte
}

// Names of the headers. The NATS protocol binding of CloudEvents 1.0 prefixes
// every attribute with ce-.
const (
	HeaderMsgID           = "Nats-Msg-Id"
	HeaderSpecVersion     = "ce-specversion"
	HeaderID              = "ce-id"
	HeaderType            = "ce-type"
	HeaderSource          = "ce-source"
	HeaderTime            = "ce-time"
	HeaderDataContentType = "ce-datacontenttype"
)

const (
	specVersion     = "1.0"
	contentTypeJSON = "application/json"
)

// timeLayout is RFC 3339 in UTC to the millisecond, the precision of a Timestamp.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"
