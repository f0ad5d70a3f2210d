package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// AuditSubject is where what was done with a tenant's history is published, and
// for "" what was done with that of all tenants.
func AuditSubject(tenant string) string { return auditPrefix + EncodeToken(tenant) }

// EncodeAudit turns an envelope into the message that carries it. An UnknownAudit
// comes out as it went in.
func EncodeAudit(e AuditEnvelope) (Message, error) {
	if unknown, ok := e.Fact.(UnknownAudit); ok {
		return unknown.Message, nil
	}
	if err := errors.Join(validateAuditTenant(e.Fact), validateMessageID(e.ID)); err != nil {
		return Message{}, err
	}
	data, err := json.Marshal(e.Fact)
	if err != nil {
		return Message{}, fmt.Errorf("events: encode %s: %w", e.Fact.EventType(), err)
	}
	if len(data) > MaxPayload {
		return Message{}, fmt.Errorf("%w: %s has %d bytes, at most %d are allowed", ErrTooLarge, e.Fact.EventType(), len(data), MaxPayload)
	}
	return Message{
		Subject: AuditSubject(e.Fact.AuditTenant()), Data: data,
		Header: headerOf(e.ID, e.Source, e.Time, versionedType(e.Fact.EventType(), currentVersion)),
	}, nil
}

// validateAuditTenant wants a tenant, which only a read may leave out.
func validateAuditTenant(fact AuditFact) error {
	tenant := fact.AuditTenant()
	if tenant == "" && fact.EventType() == TypeAuditRead {
		return nil
	}
	return ValidateID("tenant", tenant)
}

// DecodeAudit reads a message of POS_AUDIT. An unknown type or version is returned
// whole as UnknownAudit. An error wraps ErrMalformed.
func DecodeAudit(m Message) (AuditEnvelope, error) {
	envelope, err := decodeAudit(m)
	if err != nil {
		return AuditEnvelope{}, fmt.Errorf("%w on %.200q: %w", ErrMalformed, m.Subject, err)
	}
	return envelope, nil
}

func decodeAudit(m Message) (AuditEnvelope, error) {
	tenant, err := AuditSubjectTenant(m.Subject)
	if err != nil {
		return AuditEnvelope{}, err
	}
	a, err := parseHeader(m.Header)
	if err != nil {
		return AuditEnvelope{}, err
	}
	envelope := AuditEnvelope{ID: a.id, Source: a.source, Time: a.time}
	upcast, known := auditDecoders[versionedType(a.kind, a.version)]
	if !known {
		envelope.Fact = UnknownAudit{Tenant: tenant, Type: a.kind, Version: a.version, Message: m}
		return envelope, nil
	}
	if envelope.Fact, err = upcast(m.Data); err != nil {
		return AuditEnvelope{}, fmt.Errorf("payload of %s: %w", versionedType(a.kind, a.version), err)
	}
	if envelope.Fact.AuditTenant() != tenant {
		return AuditEnvelope{}, errors.New("payload names another tenant than the subject")
	}
	return envelope, validateAuditTenant(envelope.Fact)
}

// AuditSubjectTenant returns the tenant in a subject of POS_AUDIT, "" for all of
// them. The error wraps ErrInvalidSubject.
func AuditSubjectTenant(subject string) (string, error) {
	token, ok := strings.CutPrefix(subject, auditPrefix)
	if !ok {
		return "", fmt.Errorf("%w: %q is no audit subject", ErrInvalidSubject, subject)
	}
	tenant, err := DecodeToken(token)
	if err != nil {
		return "", fmt.Errorf("%w: %q: %w", ErrInvalidSubject, subject, err)
	}
	return tenant, nil
}

// auditDecoders holds every version of every type ever published in POS_AUDIT.
var auditDecoders = map[string]func([]byte) (AuditFact, error){
	"audit.read.v1":      decodeAuditAs[AuditRead],
	"retention.swept.v1": decodeAuditAs[RetentionSwept],
}

func decodeAuditAs[F AuditFact](data []byte) (AuditFact, error) {
	var fact F
	if err := json.Unmarshal(data, &fact); err != nil {
		return nil, err
	}
	return fact, nil
}

// AuditWireType is the type and version that a fact has on the wire, such as
// "audit.read.v1", and "" for an UnknownAudit that never was a fact.
func AuditWireType(fact AuditFact) string {
	unknown, ok := fact.(UnknownAudit)
	switch {
	case !ok:
		return versionedType(fact.EventType(), currentVersion)
	case unknown.Type == "":
		return ""
	default:
		return versionedType(unknown.Type, unknown.Version)
	}
}
