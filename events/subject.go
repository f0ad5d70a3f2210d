package events

import (
	"errors"
	"fmt"
	"strings"
)

// Names of the streams, and the subjects each one binds.
const (
	StreamSessions    = "POS_SESSIONS"
	StreamTouches     = "POS_TOUCHES"
	StreamRevocations = "POS_REVOCATIONS"
	StreamQuarantine  = "POS_QUARANTINE"
	StreamKeys        = "KV_POS_KEYS" // the key-value bucket POS_KEYS
	StreamAudit       = "POS_AUDIT"

	SubjectSessions    = "pos.v1.session.>"
	SubjectTouches     = "pos.v1.touch.>"
	SubjectRevocations = "pos.v1.revocation.*"
	SubjectTick        = "pos.v1.tick"
	SubjectQuarantine  = "pos.v1.quarantine.*"
	SubjectKeys        = keysPrefix + ">"
	SubjectAudit       = "pos.v1.audit.*"
)

// SubjectLive is under which POS_REVOCATIONS publishes every message again, on
// core NATS, when it has stored it: what is stored on pos.v1.tick is heard on
// pos.v1.live.tick. The headers Nats-Sequence and Nats-Last-Sequence say where it
// stands in the stream and where the one before it of its subject stands. Nobody
// else may publish there.
const SubjectLive = livePrefix + ">"

// MetadataOriginCreated is in the metadata of a mirror of POS_REVOCATIONS: when the
// stream that it mirrors was created, in RFC 3339 with nanoseconds.
const MetadataOriginCreated = "posse_origin_created"

const (
	sessionPrefix    = "pos.v1.session."
	touchPrefix      = "pos.v1.touch."
	revocationPrefix = "pos.v1.revocation."
	quarantinePrefix = "pos.v1.quarantine."
	auditPrefix      = "pos.v1.audit."
	changedPrefix    = "pos.v1.changed."
	gatewayPrefix    = "pos.v1.gateway."
	livePrefix       = "pos.v1.live."
	keysPrefix       = "$KV.POS_KEYS."
	prefix           = "pos.v1."
	inboxPrefix      = "_INBOX."
)

// ErrInvalidSubject says that a subject is none of posse's.
var ErrInvalidSubject = errors.New("events: invalid subject")

// SessionSubject is where one user's history is published: every fact but
// touches, in the order in which they happened.
func SessionSubject(tenant, user string) string {
	return sessionPrefix + EncodeToken(tenant) + "." + EncodeToken(user)
}

// TenantSessionsSubject matches the histories of all users of a tenant.
func TenantSessionsSubject(tenant string) string {
	return sessionPrefix + EncodeToken(tenant) + ".*"
}

// SessionsSubject matches the histories of one user, of all users of a tenant if
// user is empty, of the users of that id in all tenants if tenant is, and all of
// POS_SESSIONS if both are.
func SessionsSubject(tenant, user string) string {
	switch {
	case tenant == "" && user == "":
		return SubjectSessions
	case user == "":
		return sessionPrefix + EncodeToken(tenant) + ".>"
	case tenant == "":
		return sessionPrefix + "*." + EncodeToken(user)
	default:
		return SessionSubject(tenant, user)
	}
}

// SubjectKey returns the ids in a subject of POS_SESSIONS or POS_TOUCHES; the
// session is empty for the former. The error wraps ErrInvalidSubject.
func SubjectKey(subject string) (Key, error) { return parseSubject(subject) }

// TouchSubject is where a session's activity is published; the stream keeps the
// last message of each.
func TouchSubject(k Key) string {
	return touchPrefix + EncodeToken(k.Tenant) + "." + EncodeToken(k.User) + "." + EncodeToken(k.Session)
}

// RevocationSubject is where the relay publishes a tenant's revocations.
func RevocationSubject(tenant string) string { return revocationPrefix + EncodeToken(tenant) }

// LiveSubject is where what POS_REVOCATIONS stores on a subject is heard.
func LiveSubject(subject string) string { return livePrefix + strings.TrimPrefix(subject, prefix) }

// KeySubject is where the key lies that seals what the facts of a user that were
// stored in one quarter, such as "2026q1", say about the person.
func KeySubject(tenant, quarter, user string) string {
	return keysPrefix + EncodeToken(tenant) + "." + EncodeToken(quarter) + "." + EncodeToken(user)
}

// UserKeysSubject matches all keys of a user.
func UserKeysSubject(tenant, user string) string {
	return keysPrefix + EncodeToken(tenant) + ".*." + EncodeToken(user)
}

// QuarterKeysSubject matches the keys of a quarter of all users of a tenant.
func QuarterKeysSubject(tenant, quarter string) string {
	return keysPrefix + EncodeToken(tenant) + "." + EncodeToken(quarter) + ".*"
}

// KeysOfQuarterSubject matches the keys of a quarter of all tenants.
func KeysOfQuarterSubject(quarter string) string {
	return keysPrefix + "*." + EncodeToken(quarter) + ".*"
}

// KeyTenant returns the tenant in a subject that KeySubject makes. The error wraps
// ErrInvalidSubject.
func KeyTenant(subject string) (string, error) {
	rest, ok := strings.CutPrefix(subject, keysPrefix)
	if !ok {
		return "", fmt.Errorf("%w: %q is no subject of a key", ErrInvalidSubject, subject)
	}
	key, err := parseTokens(subject, rest, 3)
	return key.Tenant, err
}

// UserTouchesSubject matches the last activities of all sessions of a user.
func UserTouchesSubject(tenant, user string) string {
	return touchPrefix + EncodeToken(tenant) + "." + EncodeToken(user) + ".*"
}

// QuarantineSubject is where a message of the named stream goes that cannot be
// decoded.
func QuarantineSubject(stream string) string { return quarantinePrefix + EncodeToken(stream) }

// ChangedSubject is where the projector announces, on core NATS, which users of
// a tenant changed.
func ChangedSubject(tenant string) string { return changedPrefix + EncodeToken(tenant) }

// GatewayStatusSubject is where a gateway reports, on core NATS, what it has
// applied.
func GatewayStatusSubject(gateway string) string { return gatewayPrefix + EncodeToken(gateway) }

// SubjectRollCall is where somebody who wants to know which gateways there are
// asks all of them, on core NATS, to report, and to report each revocation that they
// apply in the seconds that follow. The message is empty.
const SubjectRollCall = prefix + "rollcall"

// GatewayStatusWildcard matches the status of every gateway, ChangedWildcard
// the changes of every tenant.
const (
	GatewayStatusWildcard = gatewayPrefix + "*"
	ChangedWildcard       = changedPrefix + "*"
)

// parseSubject returns the ids in a session or touch subject. The session is
// empty for a session subject, whose facts name it in their payload.
func parseSubject(subject string) (Key, error) {
	if rest, ok := strings.CutPrefix(subject, sessionPrefix); ok {
		return parseTokens(subject, rest, 2)
	}
	if rest, ok := strings.CutPrefix(subject, touchPrefix); ok {
		return parseTokens(subject, rest, 3)
	}
	return Key{}, fmt.Errorf("%w: %q is neither a session nor a touch subject", ErrInvalidSubject, subject)
}

func parseTokens(subject, rest string, want int) (Key, error) {
	tokens := strings.Split(rest, ".")
	if len(tokens) != want {
		return Key{}, fmt.Errorf("%w: %q has %d ids, want %d", ErrInvalidSubject, subject, len(tokens), want)
	}
	ids := make([]string, 3)
	for i, token := range tokens {
		id, err := DecodeToken(token)
		if err != nil {
			return Key{}, fmt.Errorf("%w: %q: %w", ErrInvalidSubject, subject, err)
		}
		ids[i] = id
	}
	return Key{Tenant: ids[0], User: ids[1], Session: ids[2]}, nil
}
