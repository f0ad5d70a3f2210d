package query

import (
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/device"
	"github.com/posse-pos/posse/services/query/reads"
)

// User is a user with at least one active session.
type User struct {
	ID          string `json:"id"`
	Username    string `json:"username"`
	DisplayName string `json:"display_name"`
	AvatarURL   string `json:"avatar_url"`

	SessionCount int `doc:"Active sessions." json:"session_count"`

	LastActive string `format:"date-time" json:"last_active"`

	ActiveNow bool `doc:"Made a request within the last five minutes." json:"active_now"`

	IsYou bool `json:"is_you"`
}

// Session is a session as people see it.
type Session struct {
	Session     string `json:"session"`
	User        string `json:"user"`
	Username    string `json:"username"`
	DisplayName string `json:"display_name"`

	State reads.State `enum:"active,ended,expired" json:"state"`

	IsCurrent bool `doc:"This request was made with it." json:"is_current"`

	ActiveNow bool `doc:"Made a request within the last five minutes." json:"active_now"`

	Device      device.Device `json:"device"`
	DeviceLabel string        `json:"device_label"`

	Platform string `doc:"As the device declared." json:"platform"`

	AppVersion string `json:"app_version"`
	Build      string `json:"build"`
	UserAgent  string `json:"user_agent"`

	IP string `doc:"Of the newest request that is known; empty if none is, or with as_of if a later request brought another." json:"ip"`

	Created string `format:"date-time" json:"created"`

	Expires string `format:"date-time" json:"expires"`

	LastActive string `format:"date-time" json:"last_active"`

	Ended *Ended `doc:"Present when somebody ended it before its expiry." json:"ended,omitempty"`

	EndedLater *Ended `doc:"With as_of: present when somebody ended it after that moment, before its expiry." json:"ended_later,omitempty"`
}

// Ended says who ended a session, when and why.
type Ended struct {
	At string `format:"date-time" json:"at"`

	Cause            string `json:"cause"`
	InitiatingEntity string `json:"initiating_entity"`

	ActorUser string `doc:"Who did it; empty when a rule or a POS backend did." json:"actor_user"`

	ActorSession string `json:"actor_session"`

	ActorIP string `doc:"For administrators and auditors." json:"actor_ip,omitempty"`

	ReasonAdmin string `doc:"For administrators and auditors." json:"reason_admin,omitempty"`

	ReasonUser string `json:"reason_user"`

	CommandID string `doc:"Shared by all sessions that one command ended." json:"command_id"`

	Position uint64 `doc:"Place of the revocation in the log." json:"position"`
}

func userView(u *reads.User) User {
	return User{
		ID:           u.ID,
		Username:     u.Username,
		DisplayName:  u.DisplayName,
		AvatarURL:    u.AvatarURL,
		SessionCount: u.Sessions,
		LastActive:   stamp(u.LastActive),
		ActiveNow:    u.ActiveNow,
		IsYou:        u.IsYou,
	}
}

func sessionView(row *reads.Session) Session {
	return Session{
		Session:     row.Session.Session,
		User:        row.User,
		Username:    row.Username,
		DisplayName: row.DisplayName,
		State:       row.State,
		IsCurrent:   row.IsCurrent,
		ActiveNow:   row.ActiveNow,
		Device:      row.Device,
		DeviceLabel: row.DeviceLabel,
		Platform:    row.Platform,
		AppVersion:  row.AppVersion,
		Build:       row.Build,
		UserAgent:   row.UserAgent,
		IP:          row.IP,
		Created:     stamp(row.Created),
		Expires:     stamp(row.Expires),
		LastActive:  stamp(row.LastActive),
		Ended:       endedView(row.End),
		EndedLater:  endedView(row.Later),
	}
}

func endedView(end *activesessions.End) *Ended {
	if end == nil {
		return nil
	}
	return &Ended{
		At:               stamp(end.At),
		Cause:            string(end.Cause),
		InitiatingEntity: string(end.InitiatingEntity),
		ActorUser:        end.Actor.User,
		ActorSession:     end.Actor.Session,
		ActorIP:          end.ActorIP,
		ReasonAdmin:      end.ReasonAdmin,
		ReasonUser:       end.ReasonUser,
		CommandID:        end.CommandID,
		Position:         end.Sequence,
	}
}
