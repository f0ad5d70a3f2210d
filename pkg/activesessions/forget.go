package activesessions

import (
	"reflect"
	"time"

	"github.com/posse-pos/posse/pkg/device"
)

// Forget takes out of a row what it says about the person, if the session began
// before the user was forgotten: if the first fact about it stands before the given
// sequence, that of an events.Forgotten of its user. It reports whether that changed
// the row.
//
// It holds for ever: Join of a forgotten row and any other of the session is
// forgotten, so neither a late touch nor a login that is read again brings anything
// back. Together with the greatest sequence by user this keeps rows a semilattice.
//
// What stays is what was never personal: ids, moments, causes, sequences, and the
// platform, version and build that the app declared. The parsed device goes, for it
// is told from the user agent and the hints. All of this is what the facts say that
// are read after the keys of their personal data were destroyed, but for the IP of
// the last touch; so a read model that is rebuilt is the one that was there.
//
// A row of which only touches are known stays as it is until a fact of POS_SESSIONS
// tells when the session began.
func (s *Session) Forget(sequence uint64) bool {
	if !s.Forgotten && (s.First == 0 || s.First >= sequence) {
		return false
	}
	before := *s
	s.forget()
	return !reflect.DeepEqual(before, *s)
}

func (s *Session) forget() {
	s.Forgotten = true
	s.Username, s.DisplayName, s.AvatarURL, s.DeviceLabel = "", "", "", ""
	s.UserAgent, s.UserAgentAt, s.ClientHints = "", time.Time{}, nil
	s.Device = device.Device{}
	s.IP, s.IPAt = "", time.Time{}
	if e := s.End; e != nil && (e.ActorIP != "" || e.ReasonAdmin != "" || e.ReasonUser != "") {
		end := *e // others may hold it too
		end.ActorIP, end.ReasonAdmin, end.ReasonUser = "", "", ""
		s.End = &end
	}
}
