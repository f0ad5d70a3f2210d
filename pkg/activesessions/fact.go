package activesessions

import (
	"math"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/device"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// rowOf is the row of a session of which only this fact is known. It is false
// for a fact that says nothing about a session.
func rowOf(fact eventlog.Recorded, dev device.Device) (Session, bool) {
	switch event := fact.Event.(type) {
	case events.LoggedIn:
		return loginRow(event, fact, dev), true
	case events.Refreshed:
		return refreshRow(event, fact.Sequence), true
	case events.Touched:
		return touchRow(event), true
	case events.Revoked:
		return Session{Key: event.Key, First: fact.Sequence, End: endOf(event, fact.Sequence)}, true
	default:
		return Session{}, false
	}
}

func loginRow(e events.LoggedIn, fact eventlog.Recorded, dev device.Device) Session {
	at, created := e.EventTimestamp.Time(), e.Created
	if created == 0 {
		created = e.EventTimestamp
	}
	row := Session{
		Key:           e.Key,
		LoginID:       fact.ID,
		LoginSequence: fact.Sequence,
		First:         fact.Sequence,
		Username:      e.Personal.Username,
		DisplayName:   e.Personal.DisplayName,
		AvatarURL:     e.Personal.AvatarURL,
		DeviceLabel:   e.Personal.DeviceLabel,
		Platform:      e.Platform,
		AppVersion:    e.AppVersion,
		Build:         e.Build,
		ClientHints:   e.Personal.ClientHints,
		Device:        dev,
		Created:       created.Time(),
		Expires:       e.Expires.Time(),
		LastActive:    at,
	}
	row.seen(e.EventTimestamp, e.Personal.IP)
	row.spoke(e.EventTimestamp, e.Personal.UserAgent)
	return row
}

func refreshRow(e events.Refreshed, sequence uint64) Session {
	row := Session{
		Key:        e.Key,
		First:      sequence,
		Expires:    e.Expires.Time(),
		LastActive: e.EventTimestamp.Time(),
		Generation: min(e.Generation, math.MaxInt64), // what every store can hold
	}
	row.seen(e.EventTimestamp, e.Personal.IP)
	row.spoke(e.EventTimestamp, e.Personal.UserAgent)
	return row
}

func touchRow(e events.Touched) Session {
	row := Session{Key: e.Key, LastActive: e.EventTimestamp.Time()}
	row.seen(e.EventTimestamp, e.Personal.IP)
	return row
}

func (s *Session) seen(at events.Timestamp, ip string) {
	if ip != "" {
		s.IP, s.IPAt = ip, at.Time()
	}
}

func (s *Session) spoke(at events.Timestamp, userAgent string) {
	if userAgent != "" {
		s.UserAgent, s.UserAgentAt = userAgent, at.Time()
	}
}

func endOf(e events.Revoked, sequence uint64) *End {
	return &End{
		At:               e.EventTimestamp.Time(),
		Cause:            e.Cause,
		InitiatingEntity: e.InitiatingEntity,
		Actor:            e.Actor,
		ActorIP:          e.Personal.ActorIP,
		ReasonAdmin:      e.Personal.ReasonAdmin,
		ReasonUser:       e.Personal.ReasonUser,
		CommandID:        e.CommandID,
		Sequence:         sequence,
	}
}

// DeviceHash is the key under which the device of a login is looked up in
// Batch.Devices and Writer.Devices, see device.Hash.
func DeviceHash(login events.LoggedIn) string {
	return device.Hash(Declared(login), login.Personal.UserAgent)
}

// Declared is what a login says of its device.
func Declared(login events.LoggedIn) device.Declared {
	return device.Declared{
		Platform:    login.Platform,
		AppVersion:  login.AppVersion,
		Build:       login.Build,
		ClientHints: login.Personal.ClientHints,
	}
}
