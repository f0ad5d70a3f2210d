package events

// Unknown is a fact of a type or version that this build does not know. It is
// kept and passed on whole, never dropped.
type Unknown struct {
	Key             // tenant and user from the subject, session from the payload if it has one
	Type    Type    // without its version
	Version int     // 1 or more
	Message Message // the bytes as they came
}

// EventType returns the type that the message names.
func (u Unknown) EventType() Type { return u.Type }

// Occurred is not known.
func (Unknown) Occurred() Timestamp { return 0 }
