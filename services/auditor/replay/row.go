package replay

import (
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// row is a fact with all that any fact may say side by side. What a fact does not
// say is empty.
type row struct {
	Sequence         uint64    `parquet:"sequence"`
	Stored           time.Time `parquet:"stored,timestamp(nanosecond)"`
	Type             string    `parquet:"type"`
	ID               string    `parquet:"id"`
	Source           string    `parquet:"source"`
	Time             time.Time `parquet:"time,optional,timestamp(millisecond)"`
	Tenant           string    `parquet:"tenant"`
	User             string    `parquet:"user"`
	Session          string    `parquet:"session"`
	Created          time.Time `parquet:"created,optional,timestamp(millisecond)"`
	Expires          time.Time `parquet:"expires,optional,timestamp(millisecond)"`
	Generation       uint64    `parquet:"generation,optional"`
	Platform         string    `parquet:"platform,optional"`
	AppVersion       string    `parquet:"app_version,optional"`
	Build            string    `parquet:"build,optional"`
	Username         string    `parquet:"username,optional"`
	DisplayName      string    `parquet:"display_name,optional"`
	AvatarURL        string    `parquet:"avatar_url,optional"`
	DeviceLabel      string    `parquet:"device_label,optional"`
	UserAgent        string    `parquet:"user_agent,optional"`
	ClientHints      string    `parquet:"client_hints,optional"` // a JSON object
	IP               string    `parquet:"ip,optional"`
	Cause            string    `parquet:"cause,optional"`
	InitiatingEntity string    `parquet:"initiating_entity,optional"`
	ActorUser        string    `parquet:"actor_user,optional"`
	ActorSession     string    `parquet:"actor_session,optional"`
	ActorIP          string    `parquet:"actor_ip,optional"`
	ReasonAdmin      string    `parquet:"reason_admin,optional"`
	ReasonUser       string    `parquet:"reason_user,optional"`
	CommandID        string    `parquet:"command_id,optional"`
	Subject          string    `parquet:"subject,optional"`     // of what posse does not know
	Payload          string    `parquet:"payload,optional"`     // the same, if it is JSON
	PayloadBase64    string    `parquet:"data_base64,optional"` // the same, if it is not
}

func rowOf(fact eventlog.Recorded) (row, error) {
	key := fact.Event.SessionKey()
	r := row{
		Sequence: fact.Sequence, Stored: fact.Time, Type: events.WireType(fact.Event), ID: fact.ID, Source: fact.Source,
		Time: fact.Envelope.Time, Tenant: key.Tenant, User: key.User, Session: key.Session,
	}
	switch event := fact.Event.(type) {
	case events.LoggedIn:
		err := r.login(event)
		return r, err
	case events.Refreshed:
		r.Expires, r.Generation = event.Expires.Time(), event.Generation
		r.IP, r.UserAgent = event.Personal.IP, event.Personal.UserAgent
	case events.Revoked:
		r.revocation(event)
	case events.Forgotten:
		r.InitiatingEntity, r.ActorUser, r.ActorSession = string(event.InitiatingEntity), event.Actor.User, event.Actor.Session
		r.CommandID = event.CommandID
	case events.Unknown:
		r.unknown(event.Message)
	}
	return r, nil
}

func (r *row) login(event events.LoggedIn) error {
	personal := event.Personal
	r.Created, r.Expires = event.Created.Time(), event.Expires.Time()
	r.Platform, r.AppVersion, r.Build = event.Platform, event.AppVersion, event.Build
	r.Username, r.DisplayName, r.AvatarURL = personal.Username, personal.DisplayName, personal.AvatarURL
	r.DeviceLabel, r.UserAgent, r.IP = personal.DeviceLabel, personal.UserAgent, personal.IP
	if len(personal.ClientHints) == 0 {
		return nil
	}
	hints, err := json.Marshal(personal.ClientHints) // sorts the keys
	r.ClientHints = string(hints)
	return err
}

func (r *row) revocation(event events.Revoked) {
	r.Expires, r.Cause, r.InitiatingEntity = event.Expires.Time(), string(event.Cause), string(event.InitiatingEntity)
	r.ActorUser, r.ActorSession, r.ActorIP = event.Actor.User, event.Actor.Session, event.Personal.ActorIP
	r.ReasonAdmin, r.ReasonUser, r.CommandID = event.Personal.ReasonAdmin, event.Personal.ReasonUser, event.CommandID
}

func (r *row) unknown(message events.Message) {
	r.Subject = message.Subject
	if payload, ok := compactJSON(message.Data); ok {
		r.Payload = string(payload)
	} else {
		r.PayloadBase64 = base64.StdEncoding.EncodeToString(message.Data)
	}
}

// rfc3339 writes a moment in UTC with what precision it has, and the zero time as "".
func rfc3339(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
