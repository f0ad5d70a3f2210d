package events

// Forgotten says that a user is forgotten: nobody may show what the facts before it
// say about the person, and the keys that sealed it are destroyed. All sessions of
// the user have ended before it, and what happens later is the history of somebody
// who is new.
type Forgotten struct {
	Tenant           string           `json:"tenant"`
	User             string           `json:"user"`
	EventTimestamp   Timestamp        `json:"event_timestamp"`
	InitiatingEntity InitiatingEntity `json:"initiating_entity"`
	Actor            Actor            `json:"actor,omitzero"`
	CommandID        string           `json:"command_id"`
	// Keys are the ids of the user's keys that were there: nothing opens with them
	// from here on, destroyed or not.
	Keys []string `json:"keys,omitempty"`
}

// SessionKey returns tenant and user: the fact is about no single session.
func (e Forgotten) SessionKey() Key { return Key{Tenant: e.Tenant, User: e.User} }

// EventType returns user.forgotten.
func (Forgotten) EventType() Type { return TypeForgotten }

// Occurred returns the moment of the command.
func (e Forgotten) Occurred() Timestamp { return e.EventTimestamp }
