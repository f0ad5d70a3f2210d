package memstore

import (
	"encoding/json"
	"time"
	"unique"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/device"
)

// row is an activesessions.Session, small: what many sessions share is kept
// once, and a moment is a number of milliseconds.
type row struct {
	user  *user
	id    string
	next  *row  // another user's session of the same id, nearly always nil
	place int32 // in user.open or user.closed, or unfiled
	open  bool  // stands in user.open, not in user.closed
	// forgotten rows stay so: nothing of a person comes back into them.
	forgotten bool
	who       *identity // shared by the rows of a user
	client    unique.Handle[client]
	agent     unique.Handle[string]
	ip        string
	end       *activesessions.End

	created, expires, lastActive, agentAt, ipAt events.Timestamp

	generation    uint64
	loginID       string
	loginSequence uint64
	first         uint64
}

// identity is who a login said that the user is.
type identity struct {
	username, displayName, avatarURL string
	search                           string
}

// client is what a login said, and what we make, of the device.
type client struct {
	label, platform, appVersion, build string
	hints                              string // as JSON, "" for none
	device                             device.Device
}

var (
	nobody   = &identity{}
	nothing  = unique.Make(client{})
	noString = unique.Make("")
)

// unfiled is the place of a row that was just made.
const unfiled = -1

func newRow(u *user, id string) *row {
	return &row{user: u, id: id, place: unfiled, who: nobody, client: nothing, agent: noString}
}

func (r *row) key() events.Key {
	return events.Key{Tenant: r.user.tenant.id, User: r.user.id, Session: r.id}
}

// session is the row as the port has it, without the client hints, which only a
// reader wants.
func (r *row) session() activesessions.Session {
	who, c := r.who, r.client.Value()
	return activesessions.Session{
		Key:           r.key(),
		Username:      who.username,
		DisplayName:   who.displayName,
		AvatarURL:     who.avatarURL,
		DeviceLabel:   c.label,
		Platform:      c.platform,
		AppVersion:    c.appVersion,
		Build:         c.build,
		UserAgent:     r.agent.Value(),
		UserAgentAt:   r.agentAt.Time(),
		Device:        c.device,
		IP:            r.ip,
		IPAt:          r.ipAt.Time(),
		Created:       r.created.Time(),
		Expires:       r.expires.Time(),
		LastActive:    r.lastActive.Time(),
		Generation:    r.generation,
		LoginID:       r.loginID,
		LoginSequence: r.loginSequence,
		First:         r.first,
		End:           r.end,
		Forgotten:     r.forgotten,
	}
}

// complete is the whole session, for a reader.
func (r *row) complete() activesessions.Session {
	s := r.session()
	if hints := r.client.Value().hints; hints != "" {
		_ = json.Unmarshal([]byte(hints), &s.ClientHints) // written by hintsOf
	}
	if s.End != nil {
		end := *s.End
		s.End = &end
	}
	return s
}

// set takes over what Merge made of the row and reports whether that changed it.
func (r *row) set(s *activesessions.Session) bool {
	before := *r
	if s.LoginSequence != r.loginSequence || s.Device != r.client.Value().device || s.Forgotten != r.forgotten {
		r.setLogin(s)
	}
	r.expires, r.lastActive = events.TimestampOf(s.Expires), events.TimestampOf(s.LastActive)
	r.agentAt, r.ipAt = events.TimestampOf(s.UserAgentAt), events.TimestampOf(s.IPAt)
	r.agent, r.ip = intern(r.agent, s.UserAgent), s.IP
	r.generation, r.first, r.forgotten = s.Generation, s.First, s.Forgotten
	r.end = s.End
	return *r != before
}

func (r *row) setLogin(s *activesessions.Session) {
	r.loginID, r.loginSequence = s.LoginID, s.LoginSequence
	r.created = events.TimestampOf(s.Created)
	r.who = r.user.identity(s.Username, s.DisplayName, s.AvatarURL)
	r.client = unique.Make(client{
		label: s.DeviceLabel, platform: s.Platform, appVersion: s.AppVersion, build: s.Build,
		hints: hintsOf(s.ClientHints), device: s.Device,
	})
}

func hintsOf(hints map[string]string) string {
	if hints == nil {
		return ""
	}
	text, err := json.Marshal(hints)
	if err != nil {
		panic("memstore: a map of strings always can be written: " + err.Error())
	}
	return string(text)
}

func intern(old unique.Handle[string], s string) unique.Handle[string] {
	if old.Value() == s {
		return old
	}
	return unique.Make(s)
}

// openAt is Session.Open, activeAt is Session.Active.
func (r *row) openAt(now events.Timestamp) bool {
	return r.loginSequence != 0 && r.end == nil && r.expires > now
}

func (r *row) activeAt(at events.Timestamp) bool {
	return r.loginSequence != 0 && r.created <= at && r.expires > at &&
		(r.end == nil || events.TimestampOf(r.end.At) > at)
}

// gone is the moment from which on Sweep may forget a row that is not open.
func (r *row) gone() events.Timestamp {
	if r.end != nil {
		return events.TimestampOf(r.end.At)
	}
	return max(r.expires, r.lastActive)
}

func stamp(t time.Time) events.Timestamp { return events.TimestampOf(t) }
