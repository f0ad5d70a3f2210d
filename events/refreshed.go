package events

// Refreshed says that a session's token was renewed.
type Refreshed struct {
	Key
	EventTimestamp Timestamp `json:"event_timestamp"`
	Expires        Timestamp `json:"expires"`
	// Generation counts the refresh tokens of the session: the login's is 0.
	Generation uint64         `json:"generation"`
	Personal   DevicePersonal `json:"personal,omitzero"`
	Sealed     Sealed         `json:"sealed,omitzero"` // as in LoggedIn
}

// DevicePersonal is what a request says about a person: where it came from.
type DevicePersonal struct {
	IP string `json:"ip,omitempty"`
	// UserAgent may be left out of a refresh if it did not change. A touch carries
	// it always: the stream keeps only a session's last one.
	UserAgent string `json:"user_agent,omitempty"`
}

// EventType returns session.refreshed.
func (Refreshed) EventType() Type { return TypeRefreshed }

// Occurred returns the moment of the refresh.
func (e Refreshed) Occurred() Timestamp { return e.EventTimestamp }
