package events

import "reflect"

// LoggedIn says that a user signed in on a device.
type LoggedIn struct {
	Key
	EventTimestamp Timestamp `json:"event_timestamp"`
	// Created and Expires bound the session's life; Expires moves with refreshes.
	Created Timestamp `json:"created"`
	Expires Timestamp `json:"expires"`
	// Platform, AppVersion and Build are what the device says of itself, such as
	// "ios", "1.8.1", "231". Empty when it says nothing.
	Platform   string        `json:"platform,omitempty"`
	AppVersion string        `json:"app_version,omitempty"`
	Build      string        `json:"build,omitempty"`
	Personal   LoginPersonal `json:"personal,omitzero"`
	// Sealed is Personal as the log holds it, with the key destroyed or not there.
	Sealed Sealed `json:"sealed,omitzero"`
}

// LoginPersonal is what a login says about a person.
type LoginPersonal struct {
	Username    string            `json:"username,omitempty"`
	DisplayName string            `json:"display_name,omitempty"`
	AvatarURL   string            `json:"avatar_url,omitempty"`
	DeviceLabel string            `json:"device_label,omitempty"`
	UserAgent   string            `json:"user_agent,omitempty"`
	ClientHints map[string]string `json:"client_hints,omitempty"`
	IP          string            `json:"ip,omitempty"`
}

// IsZero reports whether nothing is known: no client hints are like none given.
func (p LoginPersonal) IsZero() bool {
	if len(p.ClientHints) == 0 {
		p.ClientHints = nil
	}
	return reflect.ValueOf(p).IsZero()
}

// EventType returns session.logged_in.
func (LoggedIn) EventType() Type { return TypeLoggedIn }

// Occurred returns the moment of the login.
func (e LoggedIn) Occurred() Timestamp { return e.EventTimestamp }
