package events

// Touched says that a session made a request.
type Touched struct {
	Key
	EventTimestamp Timestamp      `json:"event_timestamp"`
	Personal       DevicePersonal `json:"personal,omitzero"`
}

// EventType returns session.touched.
func (Touched) EventType() Type { return TypeTouched }

// Occurred returns the moment of the request.
func (e Touched) Occurred() Timestamp { return e.EventTimestamp }
