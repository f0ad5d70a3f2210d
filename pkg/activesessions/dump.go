package activesessions

import (
	"encoding/json"
	"fmt"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/device"
)

// DumpLine is the canonical form of a row, stubs too: one line of JSON without
// the line break, times in milliseconds since 1970. Reader.Dump writes these,
// ordered by the bytes of tenant, user and session.
func DumpLine(s *Session) ([]byte, error) {
	line, err := json.Marshal(dumpedRow{
		Key:         s.Key,
		Username:    s.Username,
		DisplayName: s.DisplayName,
		AvatarURL:   s.AvatarURL,
		DeviceLabel: s.DeviceLabel,
		Platform:    s.Platform,
		AppVersion:  s.AppVersion,
		Build:       s.Build,
		UserAgent:   s.UserAgent,
		UserAgentAt: int64(events.TimestampOf(s.UserAgentAt)),
		ClientHints: s.ClientHints,
		Device:      s.Device,
		IP:          s.IP,
		IPAt:        int64(events.TimestampOf(s.IPAt)),
		Created:     int64(events.TimestampOf(s.Created)),
		Expires:     int64(events.TimestampOf(s.Expires)),
		LastActive:  int64(events.TimestampOf(s.LastActive)),
		Generation:  s.Generation,
		LoginID:     s.LoginID,
		Login:       s.LoginSequence,
		First:       s.First,
		Forgotten:   s.Forgotten,
		End:         dumpEnd(s.End),
	})
	if err != nil {
		return nil, fmt.Errorf("activesessions: dump session %q: %w", s.Session, err)
	}
	return line, nil
}

type dumpedRow struct {
	events.Key
	Username    string            `json:"username"`
	DisplayName string            `json:"display_name"`
	AvatarURL   string            `json:"avatar_url"`
	DeviceLabel string            `json:"device_label"`
	Platform    string            `json:"platform"`
	AppVersion  string            `json:"app_version"`
	Build       string            `json:"build"`
	UserAgent   string            `json:"user_agent"`
	UserAgentAt int64             `json:"user_agent_at"`
	ClientHints map[string]string `json:"client_hints,omitempty"`
	Device      device.Device     `json:"device"`
	IP          string            `json:"ip"`
	IPAt        int64             `json:"ip_at"`
	Created     int64             `json:"created"`
	Expires     int64             `json:"expires"`
	LastActive  int64             `json:"last_active"`
	Generation  uint64            `json:"generation"`
	LoginID     string            `json:"login_id"`
	Login       uint64            `json:"login_sequence"`
	First       uint64            `json:"first_sequence"`
	Forgotten   bool              `json:"forgotten,omitempty"`
	End         *dumpedEnd        `json:"end,omitempty"`
}

type dumpedEnd struct {
	At               int64                   `json:"at"`
	Cause            events.Cause            `json:"cause"`
	InitiatingEntity events.InitiatingEntity `json:"initiating_entity"`
	Actor            events.Actor            `json:"actor"`
	ActorIP          string                  `json:"actor_ip"`
	ReasonAdmin      string                  `json:"reason_admin"`
	ReasonUser       string                  `json:"reason_user"`
	CommandID        string                  `json:"command_id"`
	Sequence         uint64                  `json:"sequence"`
}

func dumpEnd(e *End) *dumpedEnd {
	if e == nil {
		return nil
	}
	return &dumpedEnd{
		At:               int64(events.TimestampOf(e.At)),
		Cause:            e.Cause,
		InitiatingEntity: e.InitiatingEntity,
		Actor:            e.Actor,
		ActorIP:          e.ActorIP,
		ReasonAdmin:      e.ReasonAdmin,
		ReasonUser:       e.ReasonUser,
		CommandID:        e.CommandID,
		Sequence:         e.Sequence,
	}
}
