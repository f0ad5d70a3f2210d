package activesessions

import (
	"bytes"
	"cmp"
	"encoding/json"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/device"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// Merge adds what one fact says to the row of its session; the zero Session is
// the row of which nothing is known. The device is that of the login's declared
// platform and user agent; other facts do not look at it.
//
// Merge is pure, commutative, associative and idempotent, which makes rows a
// join-semilattice: any order, repetition or split of a history gives one row.
//
//   - Identity, device and created come from the login. Of two logins under one
//     key the one with the lowest sequence counts.
//   - Expires and last active are the greatest that any fact gives. That holds
//     for a second login too: whoever holds its token must stay revocable until
//     that token expires.
//   - Of the revocations the one with the lowest sequence counts.
//   - The IP is of the newest fact that carried one, and of facts of one
//     millisecond the one that is greatest as text.
//   - The user agent is that of the newest login or refresh in the same way. A
//     touch does not change it: POS_TOUCHES keeps the last touch of a session
//     only, and one that did not repeat the user agent would undo the change
//     when the read model is rebuilt.
//
// That a user is forgotten is a fact about every session of theirs, see
// Session.Forget. It also counts for sessions of which nothing is known yet, so
// whoever folds keeps the greatest sequence of these facts by user.
//
// A fact of another session, and one of a type that this build does not know,
// leave the row as it is.
func Merge(row Session, fact eventlog.Recorded, dev device.Device) Session {
	if forgotten, ok := fact.Event.(events.Forgotten); ok {
		if row.Tenant == forgotten.Tenant && row.User == forgotten.User {
			row.Forget(fact.Sequence)
		}
		return row
	}
	addition, ok := rowOf(fact, dev)
	if !ok || row.Key != (events.Key{}) && row.Key != addition.Key {
		return row
	}
	return Join(row, addition)
}

// Join is the least row that holds what both rows of one session know.
func Join(a, b Session) Session {
	if a.Key == (events.Key{}) {
		a.Key = b.Key
	}
	if loginPrecedes(&b, &a) {
		a.takeLogin(&b)
	}
	a.Expires = later(a.Expires, b.Expires)
	a.LastActive = later(a.LastActive, b.LastActive)
	a.Generation = max(a.Generation, b.Generation)
	if newer(b.IPAt, b.IP, a.IPAt, a.IP) {
		a.IPAt, a.IP = b.IPAt, b.IP
	}
	if newer(b.UserAgentAt, b.UserAgent, a.UserAgentAt, a.UserAgent) {
		a.UserAgentAt, a.UserAgent = b.UserAgentAt, b.UserAgent
	}
	if a.End == nil || b.End != nil && b.End.Sequence < a.End.Sequence {
		a.End = b.End
	}
	if a.First == 0 || b.First != 0 && b.First < a.First {
		a.First = b.First
	}
	if a.Forgotten || b.Forgotten {
		a.forget()
	}
	return a
}

// loginPrecedes reports whether b's login counts before a's. One login can come
// with two devices when the parser changed in between.
func loginPrecedes(b, a *Session) bool {
	switch {
	case b.LoginSequence == 0:
		return false
	case a.LoginSequence == 0 || b.LoginSequence < a.LoginSequence:
		return true
	default:
		return b.LoginSequence == a.LoginSequence && b.Device != a.Device && compareDevices(b.Device, a.Device) > 0
	}
}

func (s *Session) takeLogin(from *Session) {
	s.LoginID, s.LoginSequence = from.LoginID, from.LoginSequence
	s.Username, s.DisplayName, s.AvatarURL = from.Username, from.DisplayName, from.AvatarURL
	s.DeviceLabel, s.Device = from.DeviceLabel, from.Device
	s.Platform, s.AppVersion, s.Build = from.Platform, from.AppVersion, from.Build
	s.ClientHints = from.ClientHints
	s.Created = from.Created
}

// compareDevices orders devices by their JSON, which is what a database has.
func compareDevices(a, b device.Device) int {
	return bytes.Compare(deviceJSON(a), deviceJSON(b))
}

func deviceJSON(d device.Device) []byte {
	text, err := json.Marshal(d)
	if err != nil {
		panic("activesessions: a device is strings only, which always can be written: " + err.Error())
	}
	return text
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func newer(bAt time.Time, b string, aAt time.Time, a string) bool {
	return cmp.Or(bAt.Compare(aAt), cmp.Compare(b, a)) > 0
}
