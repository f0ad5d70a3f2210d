package pgstore

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/device"
)

// declared is the column client, ending the column of that name. Their JSON is
// canonical: equal values give equal bytes.
type declared struct {
	DeviceLabel string            `json:"device_label,omitempty"`
	Platform    string            `json:"platform,omitempty"`
	AppVersion  string            `json:"app_version,omitempty"`
	Build       string            `json:"build,omitempty"`
	ClientHints map[string]string `json:"client_hints,omitempty"`
}

type ending struct {
	Cause            events.Cause            `json:"cause"`
	InitiatingEntity events.InitiatingEntity `json:"initiating_entity"`
	Actor            events.Actor            `json:"actor,omitzero"`
	ActorIP          string                  `json:"actor_ip,omitempty"`
	ReasonAdmin      string                  `json:"reason_admin,omitempty"`
	ReasonUser       string                  `json:"reason_user,omitempty"`
	CommandID        string                  `json:"command_id,omitempty"`
}

// rows are rows of sessions, column by column, as unnest takes them.
type rows struct {
	tenant, user, session            []string
	username, displayName, avatarURL []string
	client, deviceJSON, agent        []string
	agentAt                          []int64
	ip                               []string
	ipAt                             []int64
	created, expires, lastActive     []int64
	generation                       []int64
	loginID                          []string
	login                            []int64
	endAt, end                       []int64
	ending                           []string
	first                            []int64
	forgotten                        []bool

	// Many sessions share a device, or an application without hints.
	deviceTexts map[device.Device]string
	clientTexts map[[4]string]string
}

func newRows(n int) *rows {
	texts := func() []string { return make([]string, 0, n) }
	numbers := func() []int64 { return make([]int64, 0, n) }
	return &rows{
		tenant: texts(), user: texts(), session: texts(), username: texts(), displayName: texts(), avatarURL: texts(),
		client: texts(), deviceJSON: texts(), agent: texts(), agentAt: numbers(), ip: texts(), ipAt: numbers(),
		created: numbers(), expires: numbers(), lastActive: numbers(), generation: numbers(),
		loginID: texts(), login: numbers(), endAt: numbers(), end: numbers(), ending: texts(),
		first: numbers(), forgotten: make([]bool, 0, n),
		deviceTexts: map[device.Device]string{}, clientTexts: map[[4]string]string{},
	}
}

func (r *rows) arguments() []any {
	return []any{
		r.tenant, r.user, r.session, r.username, r.displayName, r.avatarURL, r.client, r.deviceJSON,
		r.agent, r.agentAt, r.ip, r.ipAt, r.created, r.expires, r.lastActive, r.generation,
		r.loginID, r.login, r.endAt, r.end, r.ending, r.first, r.forgotten,
	}
}

func (r *rows) add(s *activesessions.Session) error {
	client, dev, end, err := r.encodeParts(s)
	if err != nil {
		return fmt.Errorf("pgstore: session %q: %w", s.Session, err)
	}
	r.tenant = append(r.tenant, toText(s.Tenant))
	r.user = append(r.user, toText(s.User))
	r.session = append(r.session, toText(s.Session))
	r.username = append(r.username, toText(s.Username))
	r.displayName = append(r.displayName, toText(s.DisplayName))
	r.avatarURL = append(r.avatarURL, toText(s.AvatarURL))
	r.client = append(r.client, client)
	r.deviceJSON = append(r.deviceJSON, dev)
	r.agent = append(r.agent, toText(s.UserAgent))
	r.agentAt = append(r.agentAt, millis(s.UserAgentAt))
	r.ip = append(r.ip, toText(s.IP))
	r.ipAt = append(r.ipAt, millis(s.IPAt))
	r.created = append(r.created, millis(s.Created))
	r.expires = append(r.expires, millis(s.Expires))
	r.lastActive = append(r.lastActive, millis(s.LastActive))
	r.generation = append(r.generation, int64(min(s.Generation, math.MaxInt64)))
	r.loginID = append(r.loginID, toText(s.LoginID))
	r.login = append(r.login, int64(s.LoginSequence))
	endAt, endSequence := int64(0), int64(0)
	if s.End != nil {
		endAt, endSequence = millis(s.End.At), int64(s.End.Sequence)
	}
	r.endAt = append(r.endAt, endAt)
	r.end = append(r.end, endSequence)
	r.ending = append(r.ending, end)
	r.first = append(r.first, int64(s.First))
	r.forgotten = append(r.forgotten, s.Forgotten)
	return nil
}

// encodeParts makes the columns client, device and ending; "" is nothing.
func (r *rows) encodeParts(s *activesessions.Session) (client, dev, end string, err error) {
	if s.LoginSequence != 0 {
		if client, err = r.clientText(s); err != nil {
			return "", "", "", err
		}
		if dev, err = r.deviceText(s.Device); err != nil {
			return "", "", "", err
		}
	}
	if e := s.End; e != nil {
		end, err = encodeJSON(ending{e.Cause, e.InitiatingEntity, e.Actor, e.ActorIP, e.ReasonAdmin, e.ReasonUser, e.CommandID})
	}
	return client, dev, end, err
}

func (r *rows) clientText(s *activesessions.Session) (string, error) {
	d := declared{s.DeviceLabel, s.Platform, s.AppVersion, s.Build, s.ClientHints}
	if len(s.ClientHints) > 0 {
		return encodeJSON(d)
	}
	plain := [...]string{s.DeviceLabel, s.Platform, s.AppVersion, s.Build}
	if text, ok := r.clientTexts[plain]; ok {
		return text, nil
	}
	text, err := encodeJSON(d)
	r.clientTexts[plain] = text
	return text, err
}

func (r *rows) deviceText(d device.Device) (string, error) {
	if text, ok := r.deviceTexts[d]; ok {
		return text, nil
	}
	text, err := encodeJSON(d)
	r.deviceTexts[d] = text
	return text, err
}

func encodeJSON(v any) (string, error) {
	text, err := json.Marshal(v)
	return string(text), err
}

// columns are those of sessions, in the order in which scan reads them.
const columns = `tenant, user_id, session, username, display_name, avatar_url, client, device,
	user_agent, user_agent_at, ip, ip_at, created, expires, last_active, generation,
	login_id, login_sequence, end_at, end_sequence, ending, first_sequence, forgotten`

// scanned is a row of sessions as it comes from the database. Its columns may be
// NULL: there is a row of them when there is no session.
type scanned struct {
	tenant, user, session, username, displayName, avatarURL *string
	client, device, agent, ip, loginID, ending              *string
	agentAt, ipAt, created, expires, lastActive, generation *int64
	login, endAt, end, first                                *int64
	forgotten                                               *bool
}

func (r *scanned) targets() []any {
	return []any{
		&r.tenant, &r.user, &r.session, &r.username, &r.displayName, &r.avatarURL, &r.client, &r.device,
		&r.agent, &r.agentAt, &r.ip, &r.ipAt, &r.created, &r.expires, &r.lastActive, &r.generation,
		&r.loginID, &r.login, &r.endAt, &r.end, &r.ending, &r.first, &r.forgotten,
	}
}

func (r *scanned) exists() bool { return r.tenant != nil }

func (r *scanned) decode() (activesessions.Session, error) {
	s := activesessions.Session{
		Key:           events.Key{Tenant: fromText(*r.tenant), User: fromText(*r.user), Session: fromText(*r.session)},
		Username:      fromText(*r.username),
		DisplayName:   fromText(*r.displayName),
		AvatarURL:     fromText(*r.avatarURL),
		UserAgent:     fromText(*r.agent),
		UserAgentAt:   moment(*r.agentAt),
		IP:            fromText(*r.ip),
		IPAt:          moment(*r.ipAt),
		Created:       moment(*r.created),
		Expires:       moment(*r.expires),
		LastActive:    moment(*r.lastActive),
		Generation:    uint64(*r.generation),
		LoginID:       fromText(*r.loginID),
		LoginSequence: uint64(*r.login),
		First:         r.firstSequence(),
		Forgotten:     *r.forgotten,
	}
	if err := r.decodeParts(&s); err != nil {
		return s, fmt.Errorf("pgstore: session %q: %w", s.Session, err)
	}
	return s, nil
}

// firstSequence also tells it of rows that are older than their column for it.
func (r *scanned) firstSequence() uint64 {
	first := int64(0)
	for _, sequence := range []int64{*r.first, *r.login, *r.end} {
		if sequence > 0 && (first == 0 || sequence < first) {
			first = sequence
		}
	}
	return uint64(first)
}

func (r *scanned) decodeParts(s *activesessions.Session) error {
	if *r.login != 0 {
		var d declared
		if err := json.Unmarshal([]byte(*r.client), &d); err != nil {
			return err
		}
		s.DeviceLabel, s.Platform, s.AppVersion, s.Build, s.ClientHints = d.DeviceLabel, d.Platform, d.AppVersion, d.Build, d.ClientHints
		if err := json.Unmarshal([]byte(*r.device), &s.Device); err != nil {
			return err
		}
	}
	if *r.end == 0 {
		return nil
	}
	var e ending
	if err := json.Unmarshal([]byte(*r.ending), &e); err != nil {
		return err
	}
	s.End = &activesessions.End{
		At: moment(*r.endAt), Cause: e.Cause, InitiatingEntity: e.InitiatingEntity, Actor: e.Actor, ActorIP: e.ActorIP,
		ReasonAdmin: e.ReasonAdmin, ReasonUser: e.ReasonUser, CommandID: e.CommandID, Sequence: uint64(*r.end),
	}
	return nil
}

func millis(t time.Time) int64 { return int64(events.TimestampOf(t)) }

func moment(ms int64) time.Time { return events.Timestamp(ms).Time() }
