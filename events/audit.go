package events

import "time"

// The types of POS_AUDIT.
const (
	TypeAuditRead      Type = "audit.read"
	TypeRetentionSwept Type = "retention.swept"
)

// AuditFact is something that was done with the history itself: AuditRead,
// RetentionSwept or UnknownAudit. It is about no session, so it is no Event and
// cannot be appended to a user's history.
type AuditFact interface {
	// AuditTenant is whose history it was, "" for that of all tenants.
	AuditTenant() string
	EventType() Type
	Occurred() Timestamp
}

// AuditEnvelope is a fact of POS_AUDIT and its CloudEvents metadata, whose rules
// are those of an Envelope.
type AuditEnvelope struct {
	ID     string
	Source string
	Time   time.Time
	Fact   AuditFact
}

// Via says by which way somebody read the history.
type Via string

// The ways to the history.
const (
	ViaAPI Via = "api" // GET /v1/events: who it was is known from their token
	ViaCLI Via = "cli" // posse audit: NATS knows its user, and nobody more
)

// AuditRead says that somebody began to read the history. It is stored before
// they see any of it, so it says what was asked for and not what was delivered.
type AuditRead struct {
	// Tenant is whose history was read, "" for that of all tenants.
	Tenant         string    `json:"tenant,omitempty"`
	EventTimestamp Timestamp `json:"event_timestamp"`
	Via            Via       `json:"via"`
	// Kind is what sort of caller it was: "admin" or "auditor" of an API,
	// "operator" for whoever has the key of a NATS user that may read the history.
	Kind  string      `json:"kind"`
	Actor AuditReader `json:"actor,omitzero"`
	// Filter is what was asked for, as it was given.
	Filter AuditFilter `json:"filter,omitzero"`
	// Format of the answer, such as "ndjson".
	Format string `json:"format"`
	// Follow says that it went on with what came later.
	Follow   bool              `json:"follow,omitempty"`
	Personal AuditReadPersonal `json:"personal,omitzero"`
}

// AuditReader is who read, as far as posse knows it: a user and the session they
// used, or the key that was shown. On the way of ViaCLI it is empty.
type AuditReader struct {
	User    string `json:"user,omitempty"`
	Session string `json:"session,omitempty"`
	Key     string `json:"key,omitempty"`
}

// AuditFilter is which facts were asked for. What is left out was not given.
type AuditFilter struct {
	// Since and Until are RFC 3339, with the fractions that were given.
	Since   string   `json:"since,omitempty"`
	Until   string   `json:"until,omitempty"`
	FromSeq uint64   `json:"from_seq,omitempty"`
	AtEnd   bool     `json:"at_end,omitempty"` // nothing that the log held when the read began
	User    string   `json:"user,omitempty"`
	Session string   `json:"session,omitempty"`
	Types   []string `json:"types,omitempty"` // at most MaxAuditTypes
	Cause   string   `json:"cause,omitempty"`
	Actor   string   `json:"actor,omitempty"`
	Limit   uint64   `json:"limit,omitempty"`
}

// AuditReadPersonal is what a read says about a person. The name and the host are
// what the command found on its machine: claims that nobody verified.
type AuditReadPersonal struct {
	ActorIP string `json:"actor_ip,omitempty"`
	OSUser  string `json:"os_user,omitempty"` // at most MaxAuditClaim
	Host    string `json:"host,omitempty"`    // at most MaxAuditClaim
}

// AuditTenant returns whose history was read.
func (e AuditRead) AuditTenant() string { return e.Tenant }

// EventType returns audit.read.
func (AuditRead) EventType() Type { return TypeAuditRead }

// Occurred returns the moment at which the read began.
func (e AuditRead) Occurred() Timestamp { return e.EventTimestamp }

// RetentionSwept says that the time of some ended sessions of a tenant was over:
// the read model forgot them, and keys to what is personal in their events were
// destroyed. The events themselves stay.
type RetentionSwept struct {
	Tenant         string    `json:"tenant"`
	EventTimestamp Timestamp `json:"event_timestamp"`
	// Before is the moment before which what had ended was swept.
	Before Timestamp `json:"before"`
	// Sessions is how many ended sessions the read model forgot, Keys how many
	// encryption keys were destroyed.
	Sessions uint64 `json:"sessions"`
	Keys     uint64 `json:"keys"`
}

// AuditTenant returns whose history was swept.
func (e RetentionSwept) AuditTenant() string { return e.Tenant }

// EventType returns retention.swept.
func (RetentionSwept) EventType() Type { return TypeRetentionSwept }

// Occurred returns the moment of the sweep.
func (e RetentionSwept) Occurred() Timestamp { return e.EventTimestamp }

// UnknownAudit is a fact of POS_AUDIT of a type or version that this build does
// not know, or a message that is no fact at all; then Type is "". It is kept whole.
type UnknownAudit struct {
	Tenant  string  // from the subject
	Type    Type    // without its version
	Version int     // 1 or more
	Message Message // the bytes as they came
}

// AuditTenant returns the tenant that the subject names.
func (u UnknownAudit) AuditTenant() string { return u.Tenant }

// EventType returns the type that the message names.
func (u UnknownAudit) EventType() Type { return u.Type }

// Occurred is not known.
func (UnknownAudit) Occurred() Timestamp { return 0 }
