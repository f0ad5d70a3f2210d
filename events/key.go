package events

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// MaxID is the longest tenant, user or session id, in bytes.
const MaxID = 128

// ErrInvalidID says that an id is empty, too long or not valid UTF-8.
var ErrInvalidID = errors.New("events: invalid id")

// Key names the session that a fact is about. Ids come from foreign systems and
// mean nothing to posse; a session is identified by all three together.
type Key struct {
	Tenant  string `json:"tenant"`
	User    string `json:"user"`
	Session string `json:"session"`
}

// SessionKey returns the key itself; facts embed Key and so carry the method.
func (k Key) SessionKey() Key { return k }

// Validate reports the first id that cannot be used, by name.
func (k Key) Validate() error {
	return errors.Join(
		ValidateID("tenant", k.Tenant),
		ValidateID("user", k.User),
		ValidateID("session", k.Session),
	)
}

// validateKey is Key.Validate for what a fact is about, which may be a user as a
// whole.
func validateKey(e Event) error {
	key := e.SessionKey()
	if e.EventType() == TypeForgotten {
		return errors.Join(ValidateID("tenant", key.Tenant), ValidateID("user", key.User))
	}
	return key.Validate()
}

// ValidateID reports whether id can name something: 1 to MaxID bytes of UTF-8.
// The error wraps ErrInvalidID and says which field it was.
func ValidateID(field, id string) error {
	switch {
	case id == "":
		return fmt.Errorf("%w: %s is empty", ErrInvalidID, field)
	case len(id) > MaxID:
		return fmt.Errorf("%w: %s is %d bytes long, at most %d are allowed", ErrInvalidID, field, len(id), MaxID)
	case !utf8.ValidString(id):
		return fmt.Errorf("%w: %s is not valid UTF-8: %q", ErrInvalidID, field, id)
	}
	return nil
}
