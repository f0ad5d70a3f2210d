package events

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Revocation is what a gateway needs to know of a revoked session, published by
// the relay on RevocationSubject with a TTL that ends with the session's own
// expiry. It carries no name and no address.
type Revocation struct {
	Tenant  string    `json:"tenant"`
	Session string    `json:"session"`
	Expires Timestamp `json:"expires"`
	Cause   Cause     `json:"cause"`
	// Sequence is the fact's place in POS_SESSIONS.
	Sequence uint64 `json:"sequence"`
	// Previous is a promise of the relay: every revocation of this tenant up to
	// this sequence of POS_SESSIONS stands before this message. A gateway whose
	// applied position is at least Previous may move it to Sequence; any other
	// adds the session and waits for a tick.
	Previous uint64 `json:"previous"`
}

// Tick says that every revocation up to Sequence of POS_SESSIONS stands before
// it in POS_REVOCATIONS, and that Sequence was the log's last at AsOf. It is
// published on SubjectTick about once a second.
type Tick struct {
	Sequence uint64    `json:"sequence"`
	AsOf     Timestamp `json:"as_of"`
	// Written is when the tick was, later than AsOf if the relay had to catch up with
	// the log first. Both are by the relay's clock.
	Written Timestamp `json:"written"`
	// StreamCreated tells this POS_SESSIONS from one that was made anew.
	StreamCreated Timestamp `json:"stream_created"`
	// Relay names the sender, for people who look at the stream.
	Relay string `json:"relay"`
	// Epoch names what POS_REVOCATIONS holds since a relay found no tick there: it is
	// another one after the stream was made anew or purged. It is for relays. "" if the
	// sender did not know of epochs.
	Epoch string `json:"epoch,omitempty"`
}

// DecodeRevocation reads a message of a revocation subject. The payload must be
// of the tenant that the subject names. An error wraps ErrMalformed; a gateway
// that meets one may not go on as if nothing had been revoked.
func DecodeRevocation(subject string, data []byte) (Revocation, error) {
	var r Revocation
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("%w on %.200q: %w", ErrMalformed, subject, err)
	}
	if err := errors.Join(ValidateID("tenant", r.Tenant), ValidateID("session", r.Session)); err != nil {
		return r, fmt.Errorf("%w on %.200q: %w", ErrMalformed, subject, err)
	}
	if RevocationSubject(r.Tenant) != subject {
		return r, fmt.Errorf("%w: payload names another tenant than %.200q", ErrMalformed, subject)
	}
	if r.Sequence == 0 || r.Expires == 0 {
		return r, fmt.Errorf("%w on %.200q: sequence or expires is missing", ErrMalformed, subject)
	}
	return r, nil
}

// DecodeTick reads a message of SubjectTick. An error wraps ErrMalformed.
func DecodeTick(data []byte) (Tick, error) {
	var t Tick
	if err := json.Unmarshal(data, &t); err != nil {
		return t, fmt.Errorf("%w on %s: %w", ErrMalformed, SubjectTick, err)
	}
	if t.StreamCreated == 0 || t.AsOf == 0 || t.Written < t.AsOf {
		return t, fmt.Errorf("%w on %s: stream_created or as_of is missing, or written is before as_of", ErrMalformed, SubjectTick)
	}
	return t, nil
}
